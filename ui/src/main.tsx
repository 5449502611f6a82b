import "@h5web/lib/styles.css";
import "uplot/dist/uPlot.min.css";
import "./style.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./shell/App";

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no place for itself");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
