// Any view, drawn by what it is.

import "./plot.css";

import { lazy, Suspense } from "react";

import type { View } from "../api/types";
import { kindOf, type Kind } from "../data/kinds";
import type { Settings } from "../data/settings";
import { Curve } from "./Curve";
import type { Tool } from "./Image";
import { useAxes } from "./part";
import { Rows } from "./Rows";
import { useScene } from "./scene";
import { Table } from "./Table";
import { Text } from "./Text";
import { Value } from "./Value";

// The parts for images are large, and many runs have none.
const Image = lazy(() => import("./Image"));
const Scatter = lazy(() => import("./Scatter"));

interface Props {
  view: View;
  settings: Settings;
  onSettings: (changed: Partial<Settings>) => void;
  tool?: Tool;
}

export function Plot(props: Props) {
  const { views } = useScene();
  const view = useAxes(props.view);
  const kind = props.settings.kind ?? kindOf(view, views);
  return (
    <Suspense fallback={<p className="waits">loading</p>}>
      <Drawing {...props} view={view} kind={kind} />
    </Suspense>
  );
}

function Drawing({ view, kind, settings, onSettings, tool = "look" }: Props & { kind: Kind }) {
  const { moment } = useScene();
  switch (kind) {
    case "lines":
      // Of the past, only wholes are kept, thinned in both directions.
      return moment === null ? <Rows view={view} settings={settings} /> : <Image view={view} settings={settings} onSettings={onSettings} />;
    case "image":
    case "stack":
      return <Image view={view} settings={settings} onSettings={onSettings} tool={tool} />;
    case "scatter":
      return <Scatter view={view} settings={settings} />;
    case "series":
    case "curve":
    case "histogram": {
      const choose = tool === "region" ? (from: number, to: number) => onSettings({ roi: [from, to, 0, 1] }) : undefined;
      return <Curve view={view} settings={settings} bars={kind === "histogram"} onChoose={choose} />;
    }
    case "value":
      return <Value view={view} />;
    case "text":
      return <Text view={view} />;
    case "table":
      return <Table view={view} />;
  }
}
