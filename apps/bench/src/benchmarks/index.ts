import type { Benchmark } from '../benchmark';
import { accept } from './accept';
import { drain } from './drain';
import { growth } from './growth';
import { latency } from './latency';
import { memory } from './memory';
import { rest } from './rest';

/** Every benchmark, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [accept, latency, drain, memory, growth, rest];
