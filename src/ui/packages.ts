import addresses from "virtual:fulgurite-packages";
import type { LoadPackage } from "../runner/packages.ts";

/** Text of a package that was built with the page. */
export const loadPackage: LoadPackage = async (name) => {
  const address = Object.hasOwn(addresses, name) ? addresses[name] : undefined;
  if (address === undefined) return null;
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  return response.text();
};
