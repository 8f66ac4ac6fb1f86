import type { Random } from '@syncline/runtime';
import type { DeliveryRun } from './delivery';
import { eventIn, type Phase, type PlannedEvent } from './senders';

/** One delivery of a plan's event. */
export interface PlannedDelivery {
  /** The event's place in the plan. */
  readonly event: number;
  /** A manual resend, which has an id of its own. */
  readonly isResend: boolean;
}

/** A merchant's events, and their deliveries in the order in which they are to be sent. */
export interface DeliveryPlan {
  readonly events: readonly PlannedEvent[];
  readonly phases: DeliveryRun<PlannedDelivery>;
}

export interface Disorder {
  /** The share of deliveries that are sent once more: at the same time, soon after, or some phases later. */
  readonly duplicates: number;
  /** By how many places a delivery may come earlier or later than the scenario has it. */
  readonly shuffle: number;
}

/** Phases after its own in which a repetition may come, and places within its own. */
const REPEATED_PHASES_LATER = 3;
const REPEATED_PLACES_LATER = 50;

/** The same phases, disorder and random choices give the same plan. */
export function deliveryPlanOf(phases: readonly Phase[], { duplicates, shuffle }: Disorder, random: Random): DeliveryPlan {
  const places = new Map<PlannedEvent, number>();
  for (const entry of phases.flatMap(({ events }) => events)) {
    if (!('copyOf' in entry)) places.set(entry, places.size);
  }
  const inOrder = phases.map(({ events }) =>
    events.map((entry): PlannedDelivery => {
      const event = places.get(eventIn(entry));
      if (event === undefined) throw new RangeError('Expected a copy of an event of the same plan');
      return { event, isResend: 'copyOf' in entry };
    }),
  );
  const sent = shuffle > 0 ? shuffled(inOrder, shuffle, random) : inOrder;
  return { events: [...places.keys()], phases: duplicates > 0 ? repeated(sent, duplicates, random) : sent };
}

/** Each delivery at most `window` places from where it was. Those that stood alone stand alone; the others between them go side by side. */
function shuffled(phases: DeliveryRun<PlannedDelivery>, window: number, random: Random): PlannedDelivery[][] {
  const ranked = phases
    .flatMap((deliveries) => deliveries.map((delivery) => ({ delivery, isAlone: deliveries.length === 1 })))
    .map((entry, place) => ({ ...entry, rank: place + random.integer(0, window) }))
    .sort((left, right) => left.rank - right.rank);
  const result: PlannedDelivery[][] = [];
  let group: PlannedDelivery[] | undefined;
  for (const { delivery, isAlone } of ranked) {
    if (group === undefined || isAlone) result.push((group = [delivery]));
    else group.push(delivery);
    if (isAlone) group = undefined;
  }
  return result;
}

function repeated(phases: DeliveryRun<PlannedDelivery>, share: number, random: Random): PlannedDelivery[][] {
  const result = phases.map((deliveries) => deliveries.map((delivery, place) => ({ delivery, place })));
  for (const [number, deliveries] of phases.entries()) {
    for (const [place, delivery] of deliveries.entries()) {
      if (!random.chance(share)) continue;
      const later = random.pick([0, 0, 1, random.integer(1, REPEATED_PHASES_LATER)]);
      const phase = result[Math.min(number + later, result.length - 1)];
      // Half a place behind another, so that the order of the others stays.
      if (later === 0) result[number]?.push({ delivery, place: place + random.integer(0, REPEATED_PLACES_LATER) + 0.5 });
      else phase?.push({ delivery, place: random.integer(place, place + REPEATED_PLACES_LATER) + 0.5 });
    }
  }
  return result.map((deliveries) => deliveries.sort((left, right) => left.place - right.place).map(({ delivery }) => delivery));
}
