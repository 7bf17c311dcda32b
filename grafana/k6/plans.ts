// The scenarios: what each puts on sale, what it offers, and what has to come of it. All the
// arithmetic is here, and nothing else: k6 offers what a plan says, the judge asks what it expects.

import type { Limit } from '#lib/buckets/take.ts';
import type { Figure } from './figures.ts';
import type { PlannedLoad } from './run-file.ts';

export const scenarioNames = [
  'one-node',
  'three-nodes',
  'sale-opening',
  'hot-user',
  'many-products',
  'retry-storm',
] as const;
export type ScenarioName = (typeof scenarioNames)[number];

export interface Plan {
  readonly scenario: ScenarioName;
  /** For people. */
  readonly about: string;
  /** How many nodes it is meant for; it runs on any number. */
  readonly nodes: 1 | 3;
  readonly sales: readonly PlannedSale[];
  /** Tokens that are signed: nobody buys twice but who is meant to. */
  readonly buyers: number;
  readonly load: PlannedLoad;
  /** From the making of the sale until its opening; without it, it is open before the load. */
  readonly opensInSeconds?: number;
  readonly expected: readonly Expectation[];
}

export interface PlannedSale {
  /** Part of the product's id. */
  readonly name: string;
  readonly stock: number;
  readonly unitsPerUser: number;
  /** Of the tier `product`. */
  readonly limit: Limit;
}

/** A figure and the bounds that it has to keep, both included. */
export interface Expectation {
  readonly figure: Figure;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** `promise`: whatever the machine. `machine`: how fast this one is. */
  readonly kind: 'promise' | 'machine';
}

/** What may be asked for instead of the scenario's own. */
export interface Overrides {
  readonly perSecond?: number | undefined;
  readonly seconds?: number | undefined;
  readonly virtualUsers?: number | undefined;
}

/** What a product has unless an operator says otherwise. */
const shippedLimit: Limit = { rate: 1_000, capacity: 1_000 };
const ownLoad = { rampSeconds: 0, hotPerSecond: 0, purchasesEach: 1 };

/** Everybody is answered, by nothing but what the contract says. */
const answered: readonly Expectation[] = [
  { figure: 'unserved', atMost: 0, kind: 'promise' },
  { figure: 'unexpected', atMost: 0, kind: 'promise' },
];
/** k6 rounds a ramp its own way. */
const offered: Expectation = { figure: 'notBegun', atMost: 5, kind: 'machine' };
const fast: Expectation = { figure: 'p99Ms', atMost: 500, kind: 'machine' };

type Planner = (overrides: Overrides) => Plan;

const planners: Readonly<Record<ScenarioName, Planner>> = {
  'one-node': oneNode,
  'three-nodes': threeNodes,
  'sale-opening': saleOpening,
  'hot-user': hotUser,
  'many-products': manyProducts,
  'retry-storm': retryStorm,
};

export function planOf(scenario: ScenarioName, overrides: Overrides = {}): Plan {
  return planners[scenario](overrides);
}

/** The seed's first test. What is above the product's limit is 429. */
function oneNode({ perSecond = 3_000, seconds = 30, virtualUsers = 1_000 }: Overrides): Plan {
  const rampSeconds = 10;
  const purchases = Math.ceil(perSecond * (rampSeconds / 2 + seconds));
  return {
    scenario: 'one-node',
    about: `up to ${perSecond} requests/s in ${rampSeconds} s, then ${seconds} s of them`,
    nodes: 1,
    sales: [{ name: 'phone', stock: purchases, unitsPerUser: 1, limit: shippedLimit }],
    buyers: purchases + spare(purchases),
    load: { ...ownLoad, virtualUsers, perSecond, rampSeconds, seconds },
    expected: [...answered, offered, fast],
  };
}

/**
 * The seed's second test: a fifth is limited, a tenth comes too late, and seven tenths, 1000 a
 * second, become rows. Other rates keep these parts.
 */
function threeNodes({ perSecond = 1_430, seconds = 30, virtualUsers = 1_000 }: Overrides): Plan {
  const purchases = perSecond * seconds;
  const stock = Math.round(purchases * 0.7);
  const limit = {
    rate: Math.round((perSecond * 1_110) / 1_430),
    capacity: Math.round((purchases * 1_000) / (1_430 * 30)),
  };
  return {
    scenario: 'three-nodes',
    about: `${perSecond} requests/s for ${seconds} s: about 20 % limited, 70 % bought`,
    nodes: 3,
    sales: [{ name: 'phone', stock, unitsPerUser: 1, limit }],
    buyers: purchases + spare(purchases),
    load: { ...ownLoad, virtualUsers, perSecond, seconds },
    expected: [
      ...answered,
      { figure: 'rows', atMost: stock, kind: 'promise' },
      offered,
      { figure: 'limitedShare', atLeast: 0.15, atMost: 0.25, kind: 'machine' },
      { figure: 'successShare', atLeast: 0.68, atMost: 0.72, kind: 'machine' },
      {
        figure: 'rowsPerSecond',
        atLeast: Math.floor((perSecond * 1_000) / 1_430),
        kind: 'machine',
      },
      fast,
    ],
  };
}

/** Everybody presses within a second of the opening, some before it, and until they are told. */
function saleOpening({ virtualUsers = 1_000 }: Overrides): Plan {
  const stock = Math.ceil(virtualUsers / 2);
  return {
    scenario: 'sale-opening',
    about: `${virtualUsers} buyers within one second, half of whom can have one`,
    nodes: 1,
    sales: [{ name: 'phone', stock, unitsPerUser: 1, limit: shippedLimit }],
    buyers: virtualUsers,
    load: { ...ownLoad, virtualUsers, perSecond: 0, seconds: 60 },
    opensInSeconds: 30,
    expected: [
      ...answered,
      { figure: 'told', atLeast: virtualUsers, kind: 'promise' },
      { figure: 'rows', atLeast: stock, atMost: stock, kind: 'promise' },
      { figure: 'soldEarly', atMost: 0, kind: 'promise' },
    ],
  };
}

/** One user presses far more often than the tier `user` lets through; nobody else is limited. */
function hotUser({ perSecond = 300, seconds = 20, virtualUsers = 300 }: Overrides): Plan {
  const purchases = perSecond * seconds;
  const unitsPerUser = 5;
  return {
    scenario: 'hot-user',
    about: `one user at 200 requests/s among ${perSecond} ordinary ones a second`,
    nodes: 1,
    sales: [{ name: 'phone', stock: 2 * purchases, unitsPerUser, limit: shippedLimit }],
    buyers: 1 + purchases + spare(purchases),
    load: { ...ownLoad, virtualUsers, perSecond, seconds, hotPerSecond: 200 },
    expected: [
      ...answered,
      offered,
      { figure: 'crowdRefused', atMost: 0, kind: 'promise' },
      { figure: 'rowsOfHotUser', atLeast: unitsPerUser, atMost: unitsPerUser, kind: 'promise' },
      { figure: 'limited', atLeast: 1, kind: 'promise' },
    ],
  };
}

/** Each product in its turn; of each, four of five can be had. */
function manyProducts({ perSecond = 1_000, seconds = 20, virtualUsers = 500 }: Overrides): Plan {
  const products = 20;
  const purchases = perSecond * seconds;
  const stock = Math.floor((purchases / products) * 0.8);
  return {
    scenario: 'many-products',
    about: `${products} products together, ${perSecond} requests/s`,
    nodes: 1,
    sales: Array.from({ length: products }, (_, index) => ({
      ...{ name: `lamp-${index}`, stock, unitsPerUser: 1, limit: shippedLimit },
    })),
    buyers: purchases + spare(purchases),
    load: { ...ownLoad, virtualUsers, perSecond, seconds },
    expected: [
      ...answered,
      offered,
      { figure: 'rows', atLeast: stock * products, atMost: stock * products, kind: 'promise' },
    ],
  };
}

/**
 * Far more want it than may ask. A third of the clients come again when they are told to, a third
 * as soon as they can, and a third lose their first answer; always with the same key.
 */
function retryStorm({ perSecond = 300, virtualUsers = 600 }: Overrides): Plan {
  const purchasesEach = 4;
  const buyers = virtualUsers * purchasesEach;
  const stock = Math.floor(buyers * 0.75);
  return {
    scenario: 'retry-storm',
    about: `${buyers} buyers of ${stock} units, ${perSecond} of whom may ask in a second`,
    nodes: 1,
    sales: [
      {
        ...{ name: 'phone', stock, unitsPerUser: 1 },
        limit: { rate: perSecond, capacity: perSecond },
      },
    ],
    buyers,
    load: { ...ownLoad, virtualUsers, perSecond: 0, seconds: 180, purchasesEach },
    expected: [
      ...answered,
      { figure: 'told', atLeast: buyers, kind: 'promise' },
      { figure: 'rows', atLeast: stock, atMost: stock, kind: 'promise' },
      { figure: 'limited', atLeast: 1, kind: 'promise' },
    ],
  };
}

/** k6 may begin one more than it was asked for, for each scenario and stage. */
function spare(purchases: number): number {
  return 10 + Math.ceil(purchases / 1_000);
}
