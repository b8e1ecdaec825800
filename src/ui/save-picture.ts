/** Properties that a drawing takes from the page's style sheets and tokens, and that a file must hold itself. */
const styled = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "fill-opacity",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "paint-order",
  "color",
];

/** The drawing as a file of its own, with the colours that it has here; `title` is what it shows, for who cannot see it. */
export function saveSvg(svg: SVGSVGElement, title: string): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const from = [svg, ...svg.querySelectorAll("*")];
  const to = [copy, ...copy.querySelectorAll("*")] as SVGElement[];
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of styled) to[i]!.style.setProperty(name, style.getPropertyValue(name));
  });
  const { width, height } = svg.getBoundingClientRect();
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(Math.round(width)));
  copy.setAttribute("height", String(Math.round(height)));
  // On the page a table says what the drawing shows; a file has nothing beside it.
  copy.removeAttribute("aria-hidden");
  copy.setAttribute("role", "img");
  copy.setAttribute("aria-label", title);
  copy.style.background = getComputedStyle(document.documentElement).backgroundColor;
  for (const style of copy.querySelectorAll("style")) style.remove();
  return new XMLSerializer().serializeToString(copy);
}

/** The drawing as a PNG, with two pixels for each of the page's. */
export async function savePng(svg: SVGSVGElement): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([saveSvg(svg, "")], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = new OffscreenCanvas(image.naturalWidth * 2, image.naturalHeight * 2);
    const context = canvas.getContext("2d")!;
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: "image/png" });
  } finally {
    URL.revokeObjectURL(url);
  }
}
