// What a plot showed, kept in this browser to be compared with a later run.

export interface Reference {
  /** Under which it is kept: pipeline, view, and `label`. */
  key: string;
  pipeline: string;
  view: string;
  /** The run and the time of day, for people. */
  label: string;
  shape: number[];
  dtype: string;
  every: number;
  data: ArrayBuffer;
}

const BASE = "penstock-references";
const STORE = "references";
const MOST_OF_A_VIEW = 20;

let opening: Promise<IDBDatabase> | null = null;

function base(): Promise<IDBDatabase> {
  opening ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(BASE, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: "key" });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error ?? new Error("this browser keeps nothing"));
  });
  return opening;
}

function done<T>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error ?? new Error("this browser keeps nothing"));
  });
}

function place(pipeline: string, view: string): string {
  return `${pipeline}\n${view}\n`;
}

/** Keep one; of each view the newest twenty stay. */
export async function keepReference(reference: Omit<Reference, "key">): Promise<void> {
  const labels = await references(reference.pipeline, reference.view);
  const store = (await base()).transaction(STORE, "readwrite").objectStore(STORE);
  const key = place(reference.pipeline, reference.view) + reference.label;
  for (const old of labels.filter((label) => label !== reference.label).slice(0, Math.max(0, labels.length - MOST_OF_A_VIEW + 1))) {
    store.delete(place(reference.pipeline, reference.view) + old);
  }
  await done(store.put({ ...reference, key }));
}

/** Return what can be compared with, the oldest first. */
export async function references(pipeline: string, view: string): Promise<string[]> {
  const first = place(pipeline, view);
  const keys = await done((await base()).transaction(STORE).objectStore(STORE).getAllKeys(IDBKeyRange.bound(first, first + "\uffff")));
  return keys.map((key) => (key as string).slice(first.length));
}

/** Return one; `null` if it has gone. */
export async function reference(pipeline: string, view: string, label: string): Promise<Reference | null> {
  const found = (await done((await base()).transaction(STORE).objectStore(STORE).get(place(pipeline, view) + label))) as Reference | undefined;
  return found ?? null;
}
