// Any view, drawn by what it is.

import type { View } from "../api/types";
import { kindOf } from "../data/kinds";
import { Curve } from "./Curve";
import { Image } from "./Image";
import { Value } from "./Value";

export function Plot({ view }: { view: View }) {
  switch (kindOf(view)) {
    case "image":
    case "stack":
      return <Image view={view} />;
    case "series":
    case "curve":
      return <Curve view={view} />;
    case "value":
      return <Value view={view} />;
    case "text":
    case "table":
      return <p>{view.name}</p>;
  }
}
