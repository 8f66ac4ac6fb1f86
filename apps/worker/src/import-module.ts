/**
 * Imports a module as Node itself does, CommonJS or ES. A file of its own outside the bundle: code that was kept compiled
 * (`scripts/run-bundle.cjs`) cannot import.
 */
export async function importModule(url: string): Promise<unknown> {
  return (await import(url)) as unknown;
}
