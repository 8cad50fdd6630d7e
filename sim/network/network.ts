/**
 * The network between machines: messages that take time, and may be lost, duplicated or overtaken.
 *
 *     send ─▶ weather: lost? how long? ─▶ link: blocked? held up? ─▶ deliver
 *
 * NW1. A link has a direction: the messages of one machine may arrive while none of the answers does.
 * NW2. A blocked link loses the messages in flight, also those sent before it was blocked. A link that is held up keeps
 *      them, and delivers all of them when it is released.
 */
import type { Rng } from '../../src/core/rng.ts';
import type { Scheduler } from '../time/scheduler.ts';
import { chance, spread } from '../time/streams.ts';

/** Delays and faults of all messages; may change during a run. */
type Weather = {
  lossProbability: number;
  duplicateProbability: number;
  /** Of a flipped bit in a chunk of a body. */
  flipProbability: number;
  leastMs: number;
  mostMs: number;
};

const FAIR_WEATHER: Readonly<Weather> = {
  lossProbability: 0,
  duplicateProbability: 0,
  flipProbability: 0,
  leastMs: 1,
  mostMs: 5,
};

export type Network = {
  readonly weather: Weather;
  readonly send: (from: string, to: string, deliver: () => void) => void;
  /** Whether a message sent now could arrive. */
  readonly isOpen: (from: string, to: string) => boolean;
  readonly block: (from: string, to: string) => void;
  readonly unblock: (from: string, to: string) => void;
  readonly hold: (from: string, to: string) => void;
  readonly release: (from: string, to: string) => void;
  readonly heal: () => void;
  /** How long a message takes now. */
  readonly delayMs: () => number;
  /** The chunk, or a copy with a flipped bit. */
  readonly carry: (chunk: Uint8Array) => Uint8Array;
  readonly isDoubled: () => boolean;
};

/** @param onDuplicated called for every request that will arrive twice */
export const createNetwork = (scheduler: Scheduler, rng: Rng, onDuplicated: () => void): Network => {
  const weather: Weather = { ...FAIR_WEATHER };
  const blocked = new Set<string>();
  const held = new Map<string, (() => void)[]>();
  const link = (from: string, to: string) => `${from}>${to}`;
  const delayMs = () => spread(rng, weather.leastMs, weather.mostMs);
  const release = (key: string): void => {
    const waiting = held.get(key) ?? [];
    held.delete(key);
    for (const deliver of waiting) scheduler.after(delayMs(), deliver);
  };
  return {
    weather,
    delayMs,
    isDoubled() {
      const isDoubled = chance(rng, weather.duplicateProbability);
      if (isDoubled) onDuplicated();
      return isDoubled;
    },
    isOpen: (from, to) => !blocked.has(link(from, to)),
    send(from, to, deliver) {
      const key = link(from, to);
      if (chance(rng, weather.lossProbability)) return;
      const arrive = () => {
        if (blocked.has(key)) return;
        const waiting = held.get(key);
        if (waiting === undefined) deliver();
        else waiting.push(arrive);
      };
      scheduler.after(delayMs(), arrive);
    },
    block: (from, to) => void blocked.add(link(from, to)),
    unblock: (from, to) => void blocked.delete(link(from, to)),
    hold(from, to) {
      if (!held.has(link(from, to))) held.set(link(from, to), []);
    },
    release: (from, to) => release(link(from, to)),
    heal() {
      Object.assign(weather, FAIR_WEATHER);
      blocked.clear();
      for (const key of [...held.keys()]) release(key);
    },
    carry(chunk) {
      if (chunk.length === 0 || !chance(rng, weather.flipProbability)) return chunk;
      const flipped = Uint8Array.from(chunk);
      const bit = rng.below(flipped.length * 8);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      return flipped;
    },
  };
};
