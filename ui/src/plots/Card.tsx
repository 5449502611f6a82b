// One plot with its title and what can be set of it; in a frame of another page, with its title alone.

import "./card.css";

import { useRef, useState, type ReactNode } from "react";

import type { View } from "../api/types";
import { isSmallKind, kindOf, titleOf } from "../data/kinds";
import { toQuery, type Settings } from "../data/settings";
import { isEmbedded } from "../shell/embedded";
import type { Tool } from "./Image";
import { Plot } from "./Plot";
import { Take } from "./Take";
import { useScene } from "./scene";
import { Frame, Tools } from "./Tools";
import { WhenSeen } from "./WhenSeen";

interface Props {
  view: View;
  settings: Settings;
  onSettings: (changed: Partial<Settings>) => void;
  /** Whether what can be set is shown from the beginning. */
  isOpen?: boolean;
  /** Whether it can be moved: its title takes the keyboard then. */
  isMoved?: boolean;
  /** More for the line of the title. */
  children?: ReactNode;
}

export function Card(props: Props) {
  return isEmbedded() ? <BareCard {...props} /> : <FullCard {...props} />;
}

function BareCard({ view, settings, onSettings }: Props) {
  return (
    <figure className="card" aria-label={titleOf(view)}>
      <figcaption className="card-title">
        <strong>{titleOf(view)}</strong>
      </figcaption>
      <WhenSeen className="plot">
        <Plot view={view} settings={settings} onSettings={onSettings} />
      </WhenSeen>
    </figure>
  );
}

function FullCard({ view, settings, onSettings, isOpen = false, isMoved = false, children }: Props) {
  const { views } = useScene();
  const [side, setSide] = useState<Side | null>(isOpen ? "within" : null);
  const open = side !== null;
  const close = () => {
    setSide(null);
    setTool("look");
  };
  const [tool, setTool] = useState<Tool>("look");
  const [kept, setKept] = useState(0);
  const figure = useRef<HTMLElement>(null);
  const kind = settings.kind ?? kindOf(view, views);
  const changed = (change: Partial<Settings>) => {
    if ("line" in change || "roi" in change) setTool("look");
    onSettings(change);
  };
  const said = toQuery(settings);
  return (
    <figure className="card" ref={figure} aria-label={titleOf(view)}>
      <figcaption className="card-title" {...(isMoved ? { tabIndex: 0, "aria-label": `move ${titleOf(view)}` } : {})}>
        {view.title !== "" && <strong>{view.title}</strong>}
        <a href={`#/view/${view.name}${said.size ? "?" + said.toString() : ""}`}>{view.name}</a>
        <span className="card-buttons">
          {children}
          <Take view={view} settings={settings} plot={() => figure.current?.querySelector<HTMLElement>(".plot") ?? null} onKept={() => setKept(kept + 1)} />
          {!isSmallKind(kind) && <button type="button" aria-expanded={open} aria-label={`settings of ${titleOf(view)}`} title="settings" onClick={() => (open ? close() : setSide(isOpen ? "within" : sideOf(figure.current)))}>
            ⚙
          </button>}
        </span>
      </figcaption>
      {open && !isSmallKind(kind) && (
        <div className={`card-tools is-${side}`} onKeyDown={(event) => event.key === "Escape" && !isOpen && close()}>
          <Tools view={view} settings={settings} onSettings={changed} tool={tool} onTool={setTool} kept={kept} />
        </div>
      )}
      {!open && kind === "stack" && <Frame view={view} frame={settings.frame} onChange={(frame) => onSettings({ frame })} />}
      <WhenSeen className="plot">
        <Plot view={view} settings={settings} onSettings={changed} tool={tool} />
      </WhenSeen>
    </figure>
  );
}

/** Where what can be set is shown: beside the plot where there is room, so that it stays as large as it is. */
type Side = "right" | "left" | "within";

const TOOLS_PX = 290;

function sideOf(figure: HTMLElement | null): Side {
  if (figure === null) return "within";
  const { left, right } = figure.getBoundingClientRect();
  return innerWidth - right > TOOLS_PX ? "right" : left > TOOLS_PX ? "left" : "within";
}
