const ERROR_MAX_LENGTH = 1_000;

/** Fields under which a failed sync may say why, the most telling first, in lower case without underscores. */
const errorFields = [
  'errormessage',
  'error',
  'errors',
  'lasterror',
  'failuremessage',
  'failurereason',
  'failedreason',
  'errordescription',
  'errordetails',
  'errorcode',
  'statusmessage',
  'message',
  'reason',
  'description',
];

/** What the body of a failed sync says about the failure; its status when it says nothing else. Null when there is neither. */
export function errorOf(payload: Readonly<Record<string, unknown>>): string | null {
  const fields = new Map(Object.entries(payload).map(([field, value]) => [plain(field), value]));
  for (const field of [...errorFields, 'status']) {
    const text = textOf(fields.get(field));
    if (text !== '') return text.slice(0, ERROR_MAX_LENGTH);
  }
  return null;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value))
    return value
      .map(textOf)
      .filter((text) => text !== '')
      .join('; ');
  if (typeof value !== 'object' || value === null) return '';
  const fields = new Map(Object.entries(value).map(([field, inner]) => [plain(field), inner]));
  const telling = errorFields.map((field) => fields.get(field)).find((inner) => typeof inner === 'string' && inner.trim() !== '');
  if (typeof telling === 'string') return telling.trim();
  return fields.size === 0 ? '' : JSON.stringify(value);
}

function plain(field: string): string {
  return field.toLowerCase().replaceAll('_', '');
}
