// A question that must be answered first: the browser's own dialog, which keeps the keyboard inside and closes with Escape.

import { useEffect, useId, useRef, type ReactNode } from "react";

interface Question {
  title: string;
  children: ReactNode;
  /** What the button says that does it. */
  confirm: string;
  onConfirm: () => void;
  onClose: () => void;
  isGrave?: boolean;
  /** Cannot be put away without an answer. */
  isForced?: boolean;
}

export function Modal({ title, children, confirm, onConfirm, onClose, isGrave = false, isForced = false }: Question) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        if (!isForced) onClose();
      }}
    >
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          onConfirm();
        }}
      >
        <h2 id={heading}>{title}</h2>
        {children}
        <p className="answers">
          {!isForced && (
            <button type="button" onClick={onClose}>
              Cancel
            </button>
          )}
          <button type="submit" className={isGrave ? "grave" : "main"}>
            {confirm}
          </button>
        </p>
      </form>
    </dialog>
  );
}
