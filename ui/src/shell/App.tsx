// The frame around all pages: what this is, whether it is live, and the way to the rest.

import { Suspense, lazy, useEffect, useState, type JSX } from "react";

import type { About } from "../api/types";
import { Live, useLink } from "../live/context";
import { usePoll } from "../live/poll";
import { isEmbedded } from "./embedded";

interface Page {
  name: string;
  path: string;
  /** Not in the list of pages. */
  isHidden?: boolean;
  show: (place: string) => JSX.Element;
}

const Results = lazy(async () => ({ default: (await import("../pages/Results")).Results }));
const Kiosk = lazy(async () => ({ default: (await import("../pages/Kiosk")).Kiosk }));
const ViewPage = lazy(async () => ({ default: (await import("../pages/View")).ViewPage }));
const Pipeline = lazy(async () => ({ default: (await import("../pages/Pipeline")).Pipeline }));
const Streams = lazy(async () => ({ default: (await import("../pages/Streams")).Streams }));

const PAGES: Page[] = [
  { name: "Results", path: "", show: () => <Results /> },
  { name: "Pipeline", path: "pipeline", show: () => <Pipeline /> },
  { name: "Streams", path: "streams", show: () => <Streams /> },
  { name: "Kiosk", path: "kiosk", isHidden: true, show: (place) => <Kiosk place={place} /> },
  { name: "View", path: "view", isHidden: true, show: (place) => <ViewPage place={place} /> },
];

export function App() {
  return (
    <Live>
      <Frame />
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

function Frame() {
  const place = usePlace();
  const { data: about } = usePoll<About>("run", 2);
  const link = useLink();
  const page = PAGES.find((each) => each.path === place.split(/[/?]/)[0]) ?? PAGES[0];
  if (page?.path === "kiosk" || (page?.path === "view" && isEmbedded())) {
    return <Suspense>{page.show(place)}</Suspense>;
  }
  return (
    <>
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
        <span role="status" className={link.is}>
          {link.is === "connected" ? "live" : "not connected: what is shown is old"}
        </span>
      </header>
      <Suspense fallback={<p>fetching the page</p>}>{page?.show(place)}</Suspense>
    </>
  );
}
