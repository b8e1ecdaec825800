export { compose, type ComposedCell, type Imported } from "./compose.ts";
export { fromIpynb, toIpynb, type CellResult } from "./ipynb.ts";
export { fromMarkdown, toMarkdown } from "./markdown.ts";
export { CURRENT_VERSION, migrate, versionOf } from "./migrate.ts";
export { fromModule, toModule } from "./module.ts";
export { outputText } from "./output-text.ts";
export { readNotebookFile, type NotebookFile } from "./read-file.ts";
