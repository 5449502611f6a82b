// One plot with its title and what can be set of it.

import "./card.css";

import { useRef, useState, type ReactNode } from "react";

import type { View } from "../api/types";
import { kindOf, titleOf } from "../data/kinds";
import { toQuery, type Settings } from "../data/settings";
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

export function Card({ view, settings, onSettings, isOpen = false, isMoved = false, children }: Props) {
  const { views } = useScene();
  const [open, setOpen] = useState(isOpen);
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
        <strong>{titleOf(view)}</strong>
        <a href={`#/view/${view.name}${said.size ? "?" + said.toString() : ""}`}>{view.name}</a>
        <span className="card-buttons">
          {children}
          <Take view={view} settings={settings} plot={() => figure.current?.querySelector<HTMLElement>(".plot") ?? null} onKept={() => setKept(kept + 1)} />
          <button type="button" aria-expanded={open} aria-label={`settings of ${titleOf(view)}`} title="settings" onClick={() => setOpen(!open)}>
            ⚙
          </button>
        </span>
      </figcaption>
      {open && <Tools view={view} kind={kind} settings={settings} onSettings={changed} tool={tool} onTool={setTool} kept={kept} />}
      {!open && kind === "stack" && <Frame view={view} frame={settings.frame} onChange={(frame) => onSettings({ frame })} />}
      <WhenSeen className="plot">
        <Plot view={view} settings={settings} onSettings={changed} tool={tool} />
      </WhenSeen>
    </figure>
  );
}
