import { Places } from '../src/places';

const patient = { patienceMs: 60_000 };
const urgent = { patienceMs: 60_000, urgent: true };

const opened: Places[] = [];

function placesFor(size: number, onRoom?: () => void): Places {
  const places = new Places(size, onRoom);
  opened.push(places);
  return places;
}

// Who still waits would keep the process.
afterEach(() => {
  for (const places of opened.splice(0)) places.open();
});

/** Notes when a promise resolves, by name, in order. */
function noting(): { seen: string[]; note: (name: string, entered: Promise<boolean>) => void; settled: () => Promise<void> } {
  const seen: string[] = [];
  return {
    seen,
    note: (name, entered) => void entered.then((value) => seen.push(value ? name : `${name} not`)),
    settled: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

async function taken(places: Places, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    expect(await places.enter(patient)).toBe(true);
    expect(await places.take(patient)).toBe(true);
  }
}

test('as many take a place as there are, in the order in which they came', async () => {
  const places = placesFor(2);
  const { seen, note, settled } = noting();
  const names = ['a', 'b', 'c', 'd'];
  for (const _ of names) expect(await places.enter(patient)).toBe(true);
  for (const name of names) note(name, places.take(patient));
  await settled();
  expect(seen).toEqual(['a', 'b']);
  places.giveBack();
  await settled();
  expect(seen).toEqual(['a', 'b', 'c']);
  places.giveBack();
  await settled();
  expect(seen).toEqual(['a', 'b', 'c', 'd']);
});

test('four are let in ahead for each place that is free, those that wait for theirs included', async () => {
  const places = placesFor(3);
  await taken(places, 1);
  const { seen, note, settled } = noting();
  for (let index = 1; index <= 10; index++) note(String(index), places.enter(patient));
  await settled();
  expect(seen).toHaveLength(8);
  places.leave(patient);
  await settled();
  expect(seen).toHaveLength(9);
  // A place that is taken leaves room for four less, of whom one has it.
  expect(await places.take(patient)).toBe(true);
  places.leave(patient);
  await settled();
  expect(seen).toHaveLength(9);
});

test('while all places are taken nobody is let in', async () => {
  const places = placesFor(1);
  await taken(places, 1);
  const { seen, note, settled } = noting();
  note('waiting', places.enter(patient));
  await settled();
  expect(seen).toEqual([]);
  places.giveBack();
  await settled();
  expect(seen).toEqual(['waiting']);
});

test('who waits longer than it has patience for is not let in, and takes nothing from who comes after it', async () => {
  const places = placesFor(1);
  await taken(places, 1);
  expect(await places.enter({ patienceMs: 1 })).toBe(false);
  const { seen, note, settled } = noting();
  note('next', places.enter(patient));
  places.giveBack();
  await settled();
  expect(seen).toEqual(['next']);
});

test('who is urgent has places beside the others, and comes first where they are taken too', async () => {
  const places = placesFor(10);
  await taken(places, 10);
  const { seen, note, settled } = noting();
  note('waiting', places.enter(patient));
  expect(await places.enter(urgent)).toBe(true);
  expect(await places.take(urgent)).toBe(true);
  note('urgent', places.enter(urgent));
  await settled();
  expect(seen).toEqual([]);
  places.giveBack();
  await settled();
  expect(seen).toEqual(['urgent']);
  expect(await places.take(urgent)).toBe(true);
  places.giveBack();
  await settled();
  expect(seen).toEqual(['urgent']);
  places.giveBack();
  await settled();
  expect(seen).toEqual(['urgent', 'waiting']);
});

test('who is urgent is let in before those that are let in already have their places', async () => {
  const places = placesFor(2);
  for (let index = 0; index < 4; index++) expect(await places.enter(patient)).toBe(true);
  const { seen, note, settled } = noting();
  for (const name of ['a', 'b', 'c', 'd']) note(name, places.take(patient));
  note('urgent', places.enter(urgent));
  await settled();
  expect(seen).toEqual(['a', 'b']);
  places.giveBack();
  await settled();
  expect(seen).toEqual(['a', 'b', 'urgent', 'c']);
});

test('it is told when nobody waits any more', async () => {
  let rooms = 0;
  const places = placesFor(1, () => rooms++);
  await taken(places, 1);
  const before = rooms;
  const entered = places.enter(patient);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(places.crowdedForMs).toBeGreaterThan(1);
  expect(rooms).toBe(before);
  places.giveBack();
  expect(await entered).toBe(true);
  expect(places.crowdedForMs).toBe(0);
  expect(rooms).toBeGreaterThan(before);
});

test('who is urgent does not wait for those that were let in ahead', async () => {
  const places = placesFor(10);
  for (let index = 0; index < 40; index++) expect(await places.enter(patient)).toBe(true);
  const { seen, note, settled } = noting();
  for (let index = 0; index < 40; index++) note('', places.take(patient));
  await settled();
  expect(seen).toHaveLength(10);
  expect(await places.enter(urgent)).toBe(true);
  expect(await places.take(urgent)).toBe(true);
});

test('one place is one place, also for who is urgent', async () => {
  const places = placesFor(1);
  await taken(places, 1);
  expect(await places.enter({ patienceMs: 1, urgent: true })).toBe(false);
});

test('once opened, everybody is let in', async () => {
  const places = placesFor(1);
  await taken(places, 1);
  const { seen, note, settled } = noting();
  note('waiting', places.enter(patient));
  places.open();
  note('coming', places.enter(patient));
  await settled();
  note('placed', places.take(patient));
  await settled();
  expect(seen).toEqual(['waiting', 'coming', 'placed']);
});
