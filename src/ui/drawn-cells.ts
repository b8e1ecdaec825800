import type { CellView } from "../notebook/session-types.ts";
import type { FulguriteCell } from "./cell.ts";
import { turn } from "./turn.ts";

/** Work of one task, which leaves the page time to answer before the next. */
const TASK_MS = 4;
/** A cell out of sight follows after this: what runs again is often what it was before. */
const FOLLOW_DELAY_MS = 250;
/** Nothing out of sight follows until no key has come for this long: its work would stand before the next key. */
const KEY_PAUSE_MS = 400;
/** A page that is never idle waits no longer than this between two tasks. */
const PATIENCE_MS = 200;

/**
 * What each cell of a notebook shows just now. A cell in sight shows what it is; one out of sight follows a moment
 * later, while the page is idle, so that an edit on which hundreds of cells depend does not hold up the key after it. Groups
 * of cells out of sight have the class "far", which spares the browser their layout.
 */
export class DrawnCells {
  readonly #elements = new Map<string, FulguriteCell>();
  #ids = new WeakMap<FulguriteCell, string>();
  readonly #nearGroups = new WeakSet<Element>();
  readonly #shown = new Map<string, CellView>();
  /** Number of the `show` that changed what a cell shows; what follows by itself does not count. */
  readonly #writes = new Map<string, number>();
  #lastWrite = 0;
  /** Out of sight and not shown as they are now. */
  readonly #behind = new Map<string, CellView>();
  #following = false;
  /** When the last key came, in ms of the page's clock. */
  #lastKey = -Infinity;
  #drawing = false;
  readonly #observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) this.#moved(target as HTMLElement, isIntersecting);
    },
    // Some of a screen more on either side: what is scrolled to is there already.
    { rootMargin: "25% 0px" },
  );

  /** What the cell's element is to show. `now` for one that must not wait. */
  show(cell: CellView, now: boolean): CellView {
    const { id } = cell;
    const shown = this.#shown.get(id);
    if (shown === cell) {
      this.#behind.delete(id);
      return cell;
    }
    if (shown === undefined || now || this.#isNear(id)) {
      this.#behind.delete(id);
      this.#shown.set(id, cell);
      this.#writes.set(id, ++this.#lastWrite);
      return cell;
    }
    this.#behind.set(id, cell);
    if (!this.#following) {
      this.#following = true;
      setTimeout(() => void this.#follow(), FOLLOW_DELAY_MS);
    }
    return shown;
  }

  /** A number that no other cell has, and another where the cell's element has to be given what `show` said last. */
  write(id: string): number | undefined {
    return this.#writes.get(id);
  }

  /** Watches the groups among an element's children and the cells in them, as they come and go. */
  watch(list: HTMLElement): void {
    list.addEventListener("keydown", ({ timeStamp }) => (this.#lastKey = timeStamp), { capture: true });
    new MutationObserver((records) => {
      for (const { addedNodes, removedNodes } of records) {
        for (const node of removedNodes) {
          if (node instanceof HTMLElement && !node.isConnected) this.#forget(node);
        }
        for (const node of addedNodes) if (node instanceof HTMLElement && node.isConnected) this.#add(node);
      }
    }).observe(list, { childList: true, subtree: true });
  }

  #add(added: HTMLElement): void {
    if (added.matches(".group")) this.#observer.observe(added);
    for (const element of cellsIn(added)) {
      const id = element.cell?.id;
      if (id === undefined || this.#ids.has(element)) continue;
      this.#ids.set(element, id);
      this.#elements.set(id, element);
    }
  }

  #forget(removed: HTMLElement): void {
    this.#observer.unobserve(removed);
    for (const element of cellsIn(removed)) {
      const id = this.#ids.get(element);
      if (id === undefined || this.#elements.get(id) !== element) continue;
      this.#elements.delete(id);
      this.#shown.delete(id);
      this.#writes.delete(id);
      this.#behind.delete(id);
    }
  }

  /** Forgets all: another notebook is shown, or none. */
  clear(): void {
    this.#observer.disconnect();
    this.#elements.clear();
    this.#ids = new WeakMap();
    this.#shown.clear();
    this.#writes.clear();
    this.#behind.clear();
  }

  #isNear(id: string): boolean {
    const group = this.#elements.get(id)?.closest(".group");
    return group != null && this.#nearGroups.has(group);
  }

  #moved(group: HTMLElement, isNear: boolean): void {
    group.classList.toggle("far", !isNear);
    if (isNear) this.#nearGroups.add(group);
    else this.#nearGroups.delete(group);
    if (!isNear) return;
    for (const element of cellsIn(group)) {
      const id = this.#ids.get(element);
      if (id !== undefined) this.#catchUp(id);
    }
  }

  #catchUp(id: string): void {
    const cell = this.#behind.get(id);
    this.#behind.delete(id);
    const element = this.#elements.get(id);
    if (!cell || !element) return;
    this.#shown.set(id, cell);
    element.cell = cell;
  }

  /** Milliseconds until no key has come for a while; nothing or less where none has. */
  get #keyPause(): number {
    return this.#lastKey + KEY_PAUSE_MS - performance.now();
  }

  /** Calls `draw` once for all changes until then: before the next frame, or while keys come between two of them. */
  async draw(draw: () => void): Promise<void> {
    if (this.#drawing) return;
    this.#drawing = true;
    await (this.#keyPause > 0 ? idle() : new Promise(requestAnimationFrame));
    this.#drawing = false;
    draw();
  }

  async #follow(): Promise<void> {
    while (this.#behind.size > 0) {
      const pause = this.#keyPause;
      if (pause > 0) {
        await new Promise((resolve) => setTimeout(resolve, pause));
        continue;
      }
      await idle();
      const start = performance.now();
      for (const id of this.#behind.keys()) {
        this.#catchUp(id);
        // The element draws itself in a microtask, whose time counts too.
        await Promise.resolve();
        if (performance.now() - start > TASK_MS) break;
      }
    }
    this.#following = false;
  }
}

/** Resolves in a task of its own, when nothing more urgent waits. */
function idle(): Promise<void> {
  if (!("requestIdleCallback" in window)) return turn();
  return new Promise((resolve) => {
    requestIdleCallback(
      () => {
        resolve();
      },
      { timeout: PATIENCE_MS },
    );
  });
}

const cellsIn = (part: HTMLElement): NodeListOf<FulguriteCell> => part.querySelectorAll("fulgurite-cell");
