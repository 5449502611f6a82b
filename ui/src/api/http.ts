// What the pipeline is asked for over HTTP. The token comes with the page's own address and is kept for this tab.

const KEY = "penstock-token";

/** The token of this tab; empty where none is needed. */
export function token(): string {
  const given = new URLSearchParams(location.search).get("token");
  if (given !== null) sessionStorage.setItem(KEY, given);
  return given ?? sessionStorage.getItem(KEY) ?? "";
}

/** Use another token from now on, in this tab; it leaves the page's address, where others could read it. */
export function changeToken(text: string): void {
  sessionStorage.setItem(KEY, text);
  const here = new URL(location.href);
  here.searchParams.delete("token");
  history.replaceState(null, "", here);
  location.reload();
}

/** A refusal or a failure, with the pipeline's own words. */
export class AskError extends Error {
  constructor(
    message: string,
    /** The HTTP status; 0 if nobody answered. */
    readonly status: number,
  ) {
    super(message);
  }
}

/** Where the interface is: beside the page, whatever path a proxy puts both below. */
export function address(path: string): URL {
  return new URL(path, new URL("api/v1/", document.baseURI));
}

async function asked(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (token() !== "") headers.set("Authorization", `Bearer ${token()}`);
  let answer: Response;
  try {
    answer = await fetch(address(path), { ...options, headers });
  } catch {
    throw new AskError("the pipeline does not answer", 0);
  }
  if (!answer.ok) throw new AskError(await reason(answer), answer.status);
  return answer;
}

async function reason(answer: Response): Promise<string> {
  try {
    const { detail } = (await answer.json()) as { detail: unknown };
    if (typeof detail === "string") return detail;
    return (detail as { loc: string[]; msg: string }[]).map((each) => `${each.loc.join(".")}: ${each.msg}`).join("; ");
  } catch {
    return `the answer is ${answer.status} ${answer.statusText}`;
  }
}

/** Return what a path says, in JSON. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await asked(path, signal ? { signal } : {})).json()) as T;
}

/** Return a path's answer as it came, such as elements with their headers. */
export function getRaw(path: string, signal?: AbortSignal): Promise<Response> {
  return asked(path, signal ? { signal } : {});
}

/** Change something; return what is then. */
export async function send<T>(method: "PUT" | "POST", path: string, body: unknown): Promise<T> {
  return (await (await asked(path, { method, body: JSON.stringify(body) })).json()) as T;
}
