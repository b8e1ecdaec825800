/** A copy without some of its fields. */
export function without<T extends object, K extends keyof T & string>(value: T, ...names: K[]): Omit<T, K> {
  const left = new Set<string>(names);
  return Object.fromEntries(Object.entries(value).filter(([name]) => !left.has(name))) as Omit<T, K>;
}
