// Who sits before this page: a name that is kept with every change, and a token that allows more.

import { useRef, useState } from "react";

import { changeToken, token } from "../api/http";
import { setWho, useAccess, who } from "./access";
import { Modal } from "./Modal";

export function AccessButton() {
  const { role, problem } = useAccess();
  const [isOpen, setOpen] = useState(false);
  const isLocked = problem !== "";
  return (
    <>
      <button type="button" className="quiet" onClick={() => setOpen(true)} aria-haspopup="dialog">
        {isLocked ? "no access" : (role ?? "…")}
      </button>
      {(isOpen || isLocked) && <AccessDialog isLocked={isLocked} problem={problem} onClose={() => setOpen(false)} />}
    </>
  );
}

function AccessDialog({ isLocked, problem, onClose }: { isLocked: boolean; problem: string; onClose: () => void }) {
  const name = useRef<HTMLInputElement>(null);
  const secret = useRef<HTMLInputElement>(null);
  const keep = () => {
    setWho(name.current?.value.trim() ?? "");
    const given = secret.current?.value.trim() ?? "";
    if (given !== token()) changeToken(given);
    else onClose();
  };
  return (
    <Modal title="Who is it?" onClose={onClose} isForced={isLocked} confirm="Keep" onConfirm={keep}>
      {isLocked && <p className="bad">{problem}</p>}
      <label>
        Name <input ref={name} defaultValue={who()} maxLength={200} autoComplete="name" placeholder="kept with what you change" />
      </label>
      <label>
        Token <input ref={secret} defaultValue={token()} type="password" autoComplete="off" />
      </label>
      <p className="hint">A viewer’s token lets you look, an operator’s lets you change things. It is kept for this tab only.</p>
    </Modal>
  );
}
