/** The form of a merchant id at senders that give no meaning to it. */
export const opaqueMerchantIdForm = '1 to 150 letters, digits or any of . _ @ : -, the first a letter or a digit';

/** The first id itself, then `<first>-2`, `<first>-3` and so on; undefined when the first has another form. */
export function opaqueMerchantIdAfter(first: string, places: number): string | undefined {
  if (!/^[A-Za-z0-9][\w.@:-]{0,149}$/.test(first)) return undefined;
  return places === 0 ? first : `${first}-${places + 1}`;
}
