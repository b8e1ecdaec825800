import * as Comlink from "comlink";
import { LanguageService } from "./language-service.ts";
import type { LanguageApi } from "./language-types.ts";

/** Entry of the language worker: the service over Comlink. The page's first message to it is the declarations' address. */
self.onmessage = ({ data }: MessageEvent<string>) => {
  self.onmessage = null;
  const service = fetch(data)
    .then((response) => {
      if (!response.ok) throw new Error(`declarations: ${response.status}`);
      return response.json() as Promise<Record<string, string>>;
    })
    .then((files) => new LanguageService(files));
  const api: LanguageApi = {
    update: async (changes) => {
      (await service).update(changes);
    },
    complete: async (cell, at) => (await service).complete(cell, at),
    describe: async (cell, at, name) => (await service).describe(cell, at, name),
    hover: async (cell, at) => (await service).hover(cell, at),
    diagnose: async (cell) => (await service).diagnose(cell),
    renamePlaces: async (cell, at) => (await service).renamePlaces(cell, at),
    definition: async (cell, at) => (await service).definition(cell, at),
  };
  Comlink.expose(api);
};
