// The frame around all pages: what this is, whether it is live, and the way to the rest.

import { useEffect, useState, type JSX } from "react";

import type { About } from "../api/types";
import { Live, useLink } from "../live/context";
import { usePoll } from "../live/poll";
import { Kiosk } from "../pages/Kiosk";
import { Results } from "../pages/Results";
import { isEmbedded, ViewPage } from "../pages/View";

interface Page {
  name: string;
  path: string;
  /** Not in the list of pages. */
  isHidden?: boolean;
  show: (place: string) => JSX.Element;
}

const PAGES: Page[] = [
  { name: "Results", path: "", show: () => <Results /> },
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
  if (page?.path === "kiosk" || (page?.path === "view" && isEmbedded())) return page.show(place);
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
      {page?.show(place)}
    </>
  );
}
