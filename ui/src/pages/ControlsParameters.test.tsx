// @vitest-environment jsdom

import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { Parameter, ParameterChange } from "../api/types";
import { Accessing, setWho, useAccess } from "../shell/access";
import { Parameters } from "./ControlsParameters";

const THRESHOLD: Parameter = {
  address: "spot.threshold", type: "float", value: 20, default: 12, unit: "counts", section: "Correction",
  bounds: { ge: 0, le: 500 }, choices: [], doc: "Pixels below this are noise.",
};
const CHANGE: ParameterChange = {
  revision: 1, from_event: 7, values: { "spot.threshold": 20 }, before: { "spot.threshold": 12 }, who: "Ada", when: "2026-11-26T12:00:00Z",
};

let role = "operator";
let sent: unknown[] = [];

beforeEach(() => {
  role = "operator";
  sent = [];
  setWho("Grace");
  vi.stubGlobal("fetch", (url: URL, options: RequestInit) => {
    if (options.method === "PUT") sent.push(JSON.parse(options.body as string));
    const path = url.pathname.replace(/.*\/api\/v1\//, "");
    const answers: Record<string, unknown> = {
      access: { role },
      parameters: options.method === "PUT" ? { ...CHANGE, revision: 2 } : { revision: 1, parameters: [THRESHOLD] },
      "parameters/changes": [CHANGE],
    };
    const answer = answers[path];
    return Promise.resolve(new Response(JSON.stringify(answer), { status: answer === undefined ? 404 : 200 }));
  });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function Role() {
  return <output>{useAccess().role}</output>;
}

function page(hasEnded: boolean) {
  return (
    <Accessing>
      <Role />
      <Parameters hasEnded={hasEnded} />
    </Accessing>
  );
}

/** Show the form, and return its field when all that it asks for has come. */
async function shown(hasEnded = false): Promise<HTMLInputElement> {
  const { rerender } = render(page(false));
  await screen.findByText(role);
  const field = await screen.findByLabelText<HTMLInputElement>(/^threshold/);
  await screen.findByRole("button", { name: "Undo revision 1" });
  if (hasEnded) rerender(page(true));
  return field;
}

it("what is entered is sent when it is applied, in the name of whoever sits there", async () => {
  const field = await shown();
  fireEvent.change(field, { target: { value: "33" } });
  expect(sent).toEqual([]);
  fireEvent.click(screen.getByRole("button", { name: "Apply" }));
  await screen.findByText("revision 2, from event 7 on");
  expect(sent).toEqual([{ values: { "spot.threshold": 33 }, who: "Grace" }]);
});

it("what is out of bounds is said, and cannot be applied", async () => {
  const field = await shown();
  fireEvent.change(field, { target: { value: "501" } });
  expect(screen.getByText(/501 is not ≤ 500/)).toBeTruthy();
  expect(field.getAttribute("aria-invalid")).toBe("true");
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Apply" }).disabled).toBe(true);
  fireEvent.click(screen.getByRole("button", { name: "Discard" }));
  expect(field.value).toBe("20");
});

it("a change is undone by setting what was before", async () => {
  await shown();
  await waitFor(() => expect(screen.getByRole<HTMLButtonElement>("button", { name: "Undo revision 1" }).disabled).toBe(false));
  fireEvent.click(screen.getByRole("button", { name: "Undo revision 1" }));
  await waitFor(() => expect(sent).toEqual([{ values: { "spot.threshold": 12 }, who: "Grace" }]));
});

it("a viewer sees values and changes, and can turn nothing", async () => {
  role = "viewer";
  const field = await shown();
  expect(field.value).toBe("20");
  expect(field.matches(":disabled")).toBe(true);
  expect(screen.queryByRole("button", { name: "Apply" })).toBeNull();
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Undo revision 1" }).disabled).toBe(true);
});

it("values stay when the run has ended, and nothing can be set", async () => {
  const field = await shown(true);
  expect(field.value).toBe("20");
  expect(field.matches(":disabled")).toBe(true);
  expect(screen.getByText(/No run goes on/)).toBeTruthy();
});
