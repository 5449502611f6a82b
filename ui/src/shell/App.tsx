// The frame around all pages: what this is, whether it is live, what is wrong, and the way to the rest.

import { lazy, Suspense, useEffect, useState, type ComponentType } from "react";

import type { About, Alarms } from "../api/types";
import { Live, useLink } from "../live/context";
import { usePoll } from "../live/poll";
import { AccessButton } from "./AccessDialog";
import { Accessing, useAccess } from "./access";
import { isEmbedded } from "./embedded";
import { Mishap } from "./Mishap";
import { Stale } from "./Stale";
import "./App.css";

interface Shown {
  /** The part of the address behind `#/`, with what was asked. */
  place: string;
  /** The part behind the page's path, decoded, without what was asked. */
  rest: string;
}

interface Page {
  name: string;
  path: string;
  /** Not in the list of pages. */
  isHidden?: boolean;
  /** Whether nothing is shown around it now. */
  isBare?: () => boolean;
  /** Loaded when it is first shown. */
  Show: ComponentType<Shown>;
}

const Results = lazy(async () => ({ default: (await import("../pages/Results")).Results }));
const Pipeline = lazy(async () => ({ default: (await import("../pages/Pipeline")).Pipeline }));
const Controls = lazy(async () => ({ default: (await import("../pages/Controls")).Controls }));
const Runs = lazy(async () => ({ default: (await import("../pages/Runs")).Runs }));
const Log = lazy(async () => ({ default: (await import("../pages/Log")).Log }));
const Streams = lazy(async () => ({ default: (await import("../pages/Streams")).Streams }));
const Kiosk = lazy(async () => ({ default: (await import("../pages/Kiosk")).Kiosk }));
const ViewPage = lazy(async () => ({ default: (await import("../pages/View")).ViewPage }));

const PAGES: Page[] = [
  { name: "Results", path: "", isBare: isEmbedded, Show: Results },
  { name: "Pipeline", path: "pipeline", Show: Pipeline },
  { name: "Controls", path: "controls", Show: Controls },
  { name: "Runs", path: "runs", Show: Runs },
  { name: "Alarms and log", path: "log", Show: Log },
  { name: "Streams", path: "streams", Show: Streams },
  { name: "Kiosk", path: "kiosk", isHidden: true, isBare: () => true, Show: Kiosk },
  { name: "View", path: "view", isHidden: true, isBare: isEmbedded, Show: ViewPage },
];

export function App() {
  return (
    <Live>
      <Accessing>
        <Frame />
      </Accessing>
    </Live>
  );
}

/** The part of the address behind `#/`. */
function usePlace(): string {
  const [place, setPlace] = useState(location.hash.replace(/^#\/?/, ""));
  useEffect(() => {
    const moved = () => setPlace(location.hash.replace(/^#\/?/, ""));
    window.addEventListener("hashchange", moved);
    return () => window.removeEventListener("hashchange", moved);
  }, []);
  return place;
}

/** Decode a part of an address; one that nobody has encoded stays as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function Frame() {
  const place = usePlace();
  const { data: about } = usePoll<About>("run", 2);
  const { problem } = useAccess();
  const link = useLink();
  const [first = "", ...rest] = (place.split("?")[0] ?? "").split("/");
  const page = PAGES.find((each) => each.path === first) ?? PAGES[0];
  const title = `${about?.pipeline ?? "penstock"}: ${page?.name ?? ""}`;
  useEffect(() => {
    document.title = title;
  }, [title]);
  const shown = (
    <Mishap key={page?.path}>
      <Suspense fallback={<p className="page">loading</p>}>
        {page && problem === "" && <page.Show place={place} rest={rest.map(decoded).join("/")} />}
      </Suspense>
    </Mishap>
  );
  if (page?.isBare?.()) {
    return (
      <>
        {problem !== "" && <p className="stale" role="alert">{problem}</p>}
        {shown}
      </>
    );
  }
  return (
    <>
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); document.querySelector("main")?.focus(); }}>
        To the content
      </a>
      <header>
        <h1>{about?.pipeline ?? "penstock"}</h1>
        <span>{about?.run}</span>
        <nav aria-label="pages">
          {PAGES.filter((each) => !each.isHidden).map(({ name, path }) => (
            <a key={path} href={`#/${path}`} aria-current={page?.path === path ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <span className="aside">
          {about !== null && <AlarmBadge hasEnded={about.ended} />}
          <span role="status" className={link.is === "gone" ? "gone" : about?.ended ? `outcome ${about.outcome}` : "connected"}>
            {link.is === "gone" ? "not connected" : about?.ended ? about.outcome || "no run" : "live"}
          </span>
          <AccessButton />
        </span>
      </header>
      <Stale />
      {shown}
    </>
  );
}

/** States of alarms that nobody has said to know of. */
const WANTS: readonly string[] = ["raised", "returned"];

/** How many alarms want somebody, on every page. */
function AlarmBadge({ hasEnded }: { hasEnded: boolean }) {
  const { data } = usePoll<Alarms>(hasEnded ? null : "alarms", 2);
  if (hasEnded) return null;
  const raised = data?.alarms.filter((each) => WANTS.includes(each.state) && each.muted_until === null && each.level !== "info") ?? [];
  if (raised.length === 0) return null;
  return (
    <a className="alarmed" href="#/log" title={raised.map((each) => each.name).join(", ")}>
      {raised.length === 1 ? `alarm: ${raised[0]?.name ?? ""}` : `${raised.length} alarms`}
    </a>
  );
}
