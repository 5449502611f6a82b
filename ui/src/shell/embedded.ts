/** Whether only a plot shall be shown, or only plots: `embed=1`, before or behind the #. */
export function isEmbedded(): boolean {
  const behind = new URLSearchParams(location.hash.split("?")[1] ?? "");
  return new URLSearchParams(location.search).get("embed") === "1" || behind.get("embed") === "1";
}
