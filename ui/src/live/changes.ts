// One WebSocket for all that is followed: what anybody on the page looks at, and nothing else, is sent.

import { address, token } from "../api/http";
import type { Schemas } from "../api/types";

/** A view to follow; without a slice only that it has changed is told. */
export type Wish = Schemas["Watch"] & { slice: string | null };

/** What is told of it. */
export type Change = Schemas["Change"] & {
  /** The elements, C order. */
  data?: ArrayBuffer;
  /** Why this view or slice cannot be had. */
  problem?: string;
};

/** connected; or gone, since when (ms of Date.now()). */
export type Link = { is: "connected" } | { is: "gone"; since: number };

type Listener = (change: Change) => void;

interface Followed {
  wish: Wish;
  listeners: Set<Listener>;
  last: Change | null;
}

/** Of a part, where a wish says nothing. */
const DEFAULT_BYTES = 1 << 20;
const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 2000;

/** All that this page follows. Nothing is asked for while the tab is hidden. */
export class Changes {
  #socket: WebSocket | null = null;
  #followed = new Map<string, Followed>();
  #head: Change | null = null;
  /** Of what a change has come that nobody has been told. */
  #news = new Set<Followed>();
  #telling: number | null = null;
  #wait = FIRST_WAIT_MS;
  #link: Link = { is: "gone", since: Date.now() };
  #linkListeners = new Set<() => void>();
  #saying: ReturnType<typeof setTimeout> | null = null;

  constructor() {
    document.addEventListener("visibilitychange", () => this.#say());
  }

  get link(): Link {
    return this.#link;
  }

  /** Hear of the connection coming and going; returns what ends that. */
  onLink = (listener: () => void): (() => void) => {
    this.#linkListeners.add(listener);
    return () => this.#linkListeners.delete(listener);
  };

  /** Follow a view; the latest change, if there was one, is told at once. Returns what ends it. */
  follow(wish: Wish, listener: Listener): () => void {
    const key = JSON.stringify([wish.view, wish.slice, wish.max_hz, wish.max_bytes, wish.fewer]);
    let followed = this.#followed.get(key);
    if (followed === undefined) {
      followed = { wish, listeners: new Set(), last: null };
      this.#followed.set(key, followed);
      this.#say();
    } else if (followed.last !== null) {
      listener(followed.last);
    }
    followed.listeners.add(listener);
    return () => {
      followed.listeners.delete(listener);
      if (followed.listeners.size === 0 && this.#followed.get(key) === followed) {
        this.#followed.delete(key);
        this.#say();
      }
    };
  }

  /** Connect, and stay connected. */
  open(): void {
    const at = address("changes");
    at.protocol = at.protocol.replace("http", "ws");
    if (token() !== "") at.searchParams.set("token", token());
    const socket = new WebSocket(at);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      this.#wait = FIRST_WAIT_MS;
      this.#setLink({ is: "connected" });
      this.#say();
    };
    socket.onmessage = (message: MessageEvent<string | ArrayBuffer>) => this.#hear(message.data);
    socket.onclose = () => {
      this.#socket = null;
      if (this.#link.is === "connected") this.#setLink({ is: "gone", since: Date.now() });
      setTimeout(() => this.open(), this.#wait);
      this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS);
    };
  }

  #setLink(link: Link): void {
    this.#link = link;
    for (const listener of this.#linkListeners) listener();
  }

  /** Say what is followed: once, after all that is drawn now has said what it wants. */
  #say(): void {
    this.#saying ??= setTimeout(() => {
      this.#saying = null;
      if (this.#socket?.readyState !== WebSocket.OPEN) return;
      const watch = document.hidden ? [] : [...this.#followed.values()].map((each) => each.wish);
      this.#socket.send(JSON.stringify({ watch }));
    });
  }

  #hear(said: string | ArrayBuffer): void {
    if (typeof said === "string") {
      const head = JSON.parse(said) as Change;
      if (head.shape === undefined) this.#tell(head);
      else this.#head = head; // its elements come next
    } else if (this.#head !== null) {
      this.#tell({ ...this.#head, data: said });
      this.#head = null;
    }
  }

  #tell(change: Change): void {
    for (const followed of this.#followed.values()) {
      if (!isAnswer(followed.wish, change)) continue;
      followed.last = change;
      this.#news.add(followed);
    }
    // A page that cannot keep up draws the latest: what has come before it since the last picture is not worked on.
    if (this.#news.size > 0) this.#telling ??= requestAnimationFrame(() => this.#tellNews());
  }

  #tellNews(): void {
    this.#telling = null;
    const news = [...this.#news];
    this.#news.clear();
    for (const { last, listeners } of news) {
      if (last !== null) for (const listener of listeners) listener(last);
    }
  }
}

/** Whether a change is what a wish asks for: several may follow the same part in different sizes. */
function isAnswer(wish: Wish, change: Change): boolean {
  if (wish.view !== change.view || wish.slice !== change.slice) return false;
  if (change.shape === undefined) return true;
  if (wish.fewer && change.fewer !== wish.fewer) return false;
  return change.max_bytes === undefined || change.max_bytes === (wish.max_bytes ?? DEFAULT_BYTES);
}
