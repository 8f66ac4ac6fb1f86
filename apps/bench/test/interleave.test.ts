import { interleave, measuredOf } from '../src/interleave';

function counting(name: string, order: string[]) {
  return {
    name,
    measure: () => Promise.resolve(order.push(name)),
    tell: (place: number) => `place ${place}`,
  };
}

it('measures all variants once before any of them a second time', async () => {
  const order: string[] = [];
  await interleave([counting('a', order), counting('b', order), counting('c', order)], 2, () => {});
  expect(order).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
});

it('gives every variant its own measurements in their order', async () => {
  const order: string[] = [];
  const measured = await interleave([counting('a', order), counting('b', order)], 2, () => {});
  expect(measuredOf(measured, 'a')).toEqual([1, 3]);
  expect(measuredOf(measured, 'b')).toEqual([2, 4]);
});

it('says each measurement with its repetition', async () => {
  const said: string[] = [];
  await interleave([counting('a', [])], 2, (line) => said.push(line));
  expect(said).toEqual(['a, 1 of 2: place 1', 'a, 2 of 2: place 2']);
});

it('refuses to give the measurements of a variant that there was not', async () => {
  const measured = await interleave([counting('a', [])], 1, () => {});
  expect(() => measuredOf(measured, 'b')).toThrow('Expected one of a, got b');
});
