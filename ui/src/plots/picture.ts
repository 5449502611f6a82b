// A plot as it is on the screen, as a picture.

const SCALE = 2;
const TITLE_PX = 26;

/** Draw what stands in an element: canvases, drawings, bars of colours and short texts. Returns a PNG. */
export async function picture(element: HTMLElement, title: string): Promise<Blob> {
  const box = element.getBoundingClientRect();
  const canvas = document.createElement("canvas");
  canvas.width = box.width * SCALE;
  canvas.height = (box.height + TITLE_PX) * SCALE;
  const pen = canvas.getContext("2d");
  if (pen === null) throw new Error("this browser cannot draw a picture");
  const style = getComputedStyle(element);
  pen.scale(SCALE, SCALE);
  pen.fillStyle = matchMedia("(prefers-color-scheme: dark)").matches ? "#181818" : "#fff";
  pen.fillRect(0, 0, box.width, box.height + TITLE_PX);
  pen.fillStyle = style.color;
  pen.font = "bold 14px sans-serif";
  pen.fillText(title, 8, 18);
  pen.translate(-box.left, TITLE_PX - box.top);
  // A canvas of WebGL is empty but within the frame in which it was drawn.
  await drawnNow(element);
  for (const each of element.querySelectorAll("canvas")) {
    const at = each.getBoundingClientRect();
    if (at.width && at.height) pen.drawImage(each, at.left, at.top, at.width, at.height);
  }
  for (const each of element.querySelectorAll<HTMLElement>("[style*='linear-gradient']")) drawBar(pen, each);
  for (const each of element.querySelectorAll("svg")) await drawSvg(pen, each);
  drawTexts(pen, element);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("this browser cannot write a PNG"))), "image/png"),
  );
}

/** Have images drawn, and go on in the same frame. */
async function drawnNow(element: HTMLElement): Promise<void> {
  for (const each of element.querySelectorAll("canvas")) each.dispatchEvent(new CustomEvent("penstock-draw", { bubbles: true }));
  return Promise.resolve();
}

function drawBar(pen: CanvasRenderingContext2D, bar: HTMLElement): void {
  const at = bar.getBoundingClientRect();
  const colours = bar.style.backgroundImage.match(/(?:rgb\([^)]*\)|#[0-9a-f]+)/g) ?? [];
  if (!at.width || !at.height || colours.length < 2) return;
  const isUpwards = bar.style.backgroundImage.includes("to top");
  const gradient = isUpwards ? pen.createLinearGradient(0, at.bottom, 0, at.top) : pen.createLinearGradient(at.left, 0, at.right, 0);
  for (const [k, colour] of colours.entries()) gradient.addColorStop(k / (colours.length - 1), colour);
  pen.fillStyle = gradient;
  pen.fillRect(at.left, at.top, at.width, at.height);
}

const LOOKS = ["fill", "stroke", "stroke-width", "stroke-opacity", "fill-opacity", "opacity", "font-size", "font-family", "font-weight", "text-anchor", "dominant-baseline"];

async function drawSvg(pen: CanvasRenderingContext2D, svg: SVGSVGElement): Promise<void> {
  const at = svg.getBoundingClientRect();
  if (!at.width || !at.height || svg.parentElement?.closest("svg") || svg.closest("button")) return;
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const pairs = [svg, ...svg.querySelectorAll("*")].map((each, k) => [each, [copy, ...copy.querySelectorAll("*")][k]] as const);
  for (const [from, to] of pairs) {
    const style = getComputedStyle(from);
    for (const look of LOOKS) to?.setAttribute(look, style.getPropertyValue(look));
  }
  // Axes stand beside what they say they are: all that is seen is drawn, not only what lies within.
  const boxes = svg.hasAttribute("viewBox") ? [] : [...svg.querySelectorAll("*")].map((each) => each.getBoundingClientRect()).filter(({ width, height }) => width || height);
  const [left, top] = [Math.min(at.left, ...boxes.map((each) => each.left)), Math.min(at.top, ...boxes.map((each) => each.top))];
  const width = Math.max(at.right, ...boxes.map((each) => each.right)) - left;
  const height = Math.max(at.bottom, ...boxes.map((each) => each.bottom)) - top;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  if (!svg.hasAttribute("viewBox")) copy.setAttribute("viewBox", `${left - at.left} ${top - at.top} ${width} ${height}`);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode().then(
    () => pen.drawImage(image, left, top, width, height),
    () => undefined, // a drawing that stands for nothing
  );
}

/** Texts that stand beside drawings: ends of a bar, units, single values. */
function drawTexts(pen: CanvasRenderingContext2D, element: HTMLElement): void {
  for (const each of element.querySelectorAll<HTMLElement>("p, .image-unit, .lines-legend li")) {
    const at = each.getBoundingClientRect();
    const style = getComputedStyle(each);
    if (!at.width || each.closest("button") || !each.textContent) continue;
    pen.fillStyle = style.color;
    pen.font = `${style.fontSize} sans-serif`;
    pen.textAlign = "center";
    pen.fillText(each.textContent, at.left + at.width / 2, at.bottom - at.height * 0.25);
  }
}
