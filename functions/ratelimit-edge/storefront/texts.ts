// Every word on the page, in English and 中文, and how numbers and instants are written.

import type { BoardKind } from '#lib/names.ts';
import type { OrderStatus } from './answers.ts';
import type { SignInFailure } from './sign-in.ts';
import { english } from './texts-en.ts';
import { chinese } from './texts-zh.ts';

/** A title, a sentence, and nothing that sounds like a machine. */
export interface Message {
  readonly title: string;
  readonly text: string;
}

export interface Texts {
  readonly language: string;
  readonly brand: string;
  readonly pageTitle: (product: string | undefined) => string;
  readonly skipToContent: string;
  readonly signedIn: (user: string) => string;
  readonly signedOutShort: string;
  readonly signedOut: Message;
  readonly signInEnded: Message;
  /** Where there is a provider to sign in with. */
  readonly signIn: string;
  readonly signOut: string;
  readonly signingIn: string;
  readonly signInOffered: Message;
  readonly signInAgain: Message;
  readonly signInFailed: Readonly<Record<SignInFailure, Message>>;
  readonly loading: string;
  readonly loadFailed: Message;
  readonly stale: string;
  readonly unknownProduct: Message;
  readonly noSales: Message;
  readonly allSales: string;
  readonly sales: string;
  readonly openElsewhere: (product: string) => string;
  readonly goThere: string;

  readonly state: {
    readonly scheduled: string;
    readonly open: string;
    readonly paused: string;
    readonly sold_out: string;
    readonly ended: string;
  };
  readonly opensIn: string;
  readonly opensAt: (when: string) => string;
  readonly opensNow: string;
  readonly opensSoon: string;
  readonly closesIn: string;
  readonly units: {
    readonly d: string;
    readonly h: string;
    readonly m: string;
    readonly s: string;
  };
  readonly announceMinute: string;
  readonly announceSeconds: (seconds: number) => string;
  readonly announceOpen: string;
  readonly left: (left: string, stock: string) => string;
  readonly leftOf: (stock: string) => string;
  readonly soldOf: (stock: string) => string;
  readonly perPerson: (limit: number) => string;

  readonly purchase: string;
  readonly quantity: string;
  readonly fewer: string;
  readonly more: string;
  readonly buy: (total: string) => string;
  readonly buyScheduled: string;
  readonly buyPaused: string;
  readonly buySoldOut: string;
  readonly buyEnded: string;
  readonly buySending: string;
  readonly buyUnsure: string;
  readonly buyWaiting: (seconds: number) => string;
  readonly buyAgain: string;
  readonly buyShareTaken: string;
  readonly buySignedOut: string;
  readonly askAgain: string;
  readonly seeOrders: string;
  readonly buyAnother: string;
  readonly stopAsking: string;
  readonly forget: string;

  readonly sending: Message;
  readonly unsure: Message;
  readonly nextTry: (seconds: number) => string;
  readonly limited: Message;
  readonly limitedAgain: Message;
  readonly early: Message;
  readonly accepted: (quantity: number) => Message;
  readonly confirmed: (quantity: number) => Message;
  readonly orderUndone: Message;
  readonly orderNumber: string;
  readonly stopped: Message;
  readonly purchaseSignedOut: Message;
  readonly purchaseSignInAgain: Message;
  readonly refused: {
    readonly limit_reached: (limit: number) => Message;
    readonly sold_out: Message;
    readonly fewerLeft: (left: number) => Message;
    readonly not_open: (when: string | undefined) => Message;
    readonly ended: Message;
    readonly paused: Message;
    readonly key_reused: Message;
    readonly unknown_product: Message;
    readonly forbidden: Message;
    readonly other: Message;
  };

  readonly myOrders: string;
  readonly noOrders: string;
  readonly ordersSignedOut: string;
  readonly orderStatus: Readonly<Record<OrderStatus, string>>;
  readonly pieces: (quantity: number) => string;

  readonly leaderboard: string;
  readonly boards: Readonly<Record<BoardKind, string>>;
  readonly boardHints: Readonly<Record<BoardKind, string>>;
  readonly boardEmpty: string;
  readonly rank: string;
  readonly buyer: string;
  readonly you: string;
  readonly ownPlace: (rank: string) => string;
  readonly afterOpening: (seconds: string) => string;

  readonly hotProducts: string;
  readonly sold: (units: string) => string;
}

/** The texts for the first of the browser's languages that we speak; English otherwise. */
export function textsFor(languages: readonly string[]): Texts {
  for (const language of languages) {
    if (/^zh\b/i.test(language)) return chinese;
    if (/^en\b/i.test(language)) return english;
  }
  return english;
}
