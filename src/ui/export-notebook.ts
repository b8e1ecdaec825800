import { toIpynb, toMarkdown, toModule } from "../notebook/formats/index.ts";

/** A notebook's text in another format. */
export function exportNotebook(text: string, as: "ipynb" | "md" | "ts"): string {
  switch (as) {
    case "ipynb":
      return toIpynb(text);
    case "md":
      return toMarkdown(text);
    case "ts":
      return toModule(text);
  }
}
