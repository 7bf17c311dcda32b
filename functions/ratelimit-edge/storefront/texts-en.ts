// The page in English.

import type { Texts } from './texts.ts';

export const english: Texts = {
  language: 'en',
  brand: 'Seckill',
  pageTitle: (product) => (product === undefined ? 'Flash sales' : `${product} · Flash sale`),
  skipToContent: 'Skip to the sale',
  signedIn: (user) => `Signed in as ${user}`,
  signedOutShort: 'Signed out',
  signedOut: {
    title: 'Sign in to buy',
    text: 'Open this page through your personal sign-in link. You can look around without it.',
  },
  signInEnded: {
    title: 'Your sign-in has ended',
    text: 'Open your personal sign-in link again. An unanswered purchase then goes on by itself.',
  },
  signIn: 'Sign in',
  signOut: 'Sign out',
  signingIn: 'Signing you in…',
  signInOffered: { title: 'Sign in to buy', text: 'You can look around without it.' },
  signInAgain: {
    title: 'Your sign-in has ended',
    text: 'Sign in again. An unanswered purchase then goes on by itself.',
  },
  signInFailed: {
    denied: {
      title: 'You are not signed in',
      text: 'The sign-in was cancelled or not allowed. Nothing has changed; you can try again.',
    },
    mismatch: {
      title: 'This sign-in does not belong here',
      text: 'It was begun elsewhere, or has been used already. Please sign in again from here.',
    },
    late: {
      title: 'The sign-in took too long',
      text: 'It is only good for a moment. Please sign in again.',
    },
    away: {
      title: 'Sign-in does not answer',
      text: 'You can look around meanwhile. Please try again in a moment.',
    },
    unusable: {
      title: 'Sign-in does not work',
      text: 'That is our mistake, not yours. You can look around, and try again later.',
    },
  },
  loading: 'Loading…',
  loadFailed: {
    title: 'We can’t reach the shop',
    text: 'We keep trying by ourselves. Check your connection if this lasts.',
  },
  stale: 'Reconnecting – figures may be out of date',
  unknownProduct: {
    title: 'There is no such sale',
    text: 'The link may be mistyped, or the sale is long over.',
  },
  noSales: { title: 'No sales right now', text: 'New sales appear here as soon as they are set.' },
  allSales: 'All sales',
  sales: 'Flash sales',
  openElsewhere: (product) => `Your purchase of ${product} has no answer yet.`,
  goThere: 'Go there',

  state: {
    scheduled: 'Opens soon',
    open: 'On sale',
    paused: 'Paused',
    sold_out: 'Sold out',
    ended: 'Ended',
  },
  opensIn: 'Opens in',
  opensAt: (when) => `Opens ${when}`,
  opensNow: 'Opens in less than a minute',
  opensSoon: 'The opening time will be announced',
  closesIn: 'Closes in',
  units: { d: 'days', h: 'hours', m: 'min', s: 'sec' },
  announceMinute: 'The sale opens in one minute.',
  announceSeconds: (seconds) => `The sale opens in ${seconds} seconds.`,
  announceOpen: 'The sale is open. You can buy now.',
  left: (left, stock) => `${left} of ${stock} left`,
  leftOf: (stock) => `of ${stock} left`,
  soldOf: (stock) => `${stock} were on sale`,
  perPerson: (limit) => (limit === 1 ? 'One per person' : `Up to ${limit} per person`),

  purchase: 'Your purchase',
  quantity: 'Quantity',
  fewer: 'One less',
  more: 'One more',
  buy: (total) => `Buy · ${total}`,
  buyScheduled: 'Not open yet',
  buyPaused: 'Paused',
  buySoldOut: 'Sold out',
  buyEnded: 'Sale ended',
  buySending: 'Buying…',
  buyUnsure: 'Still asking…',
  buyWaiting: (seconds) => `Again in ${seconds} s`,
  buyAgain: 'Try again',
  buyShareTaken: 'You have your share',
  buySignedOut: 'Sign in to buy',
  askAgain: 'Ask again',
  seeOrders: 'See my orders',
  buyAnother: 'Buy more',
  stopAsking: 'Stop asking',
  forget: 'Give it up',

  sending: { title: 'Buying…', text: 'This usually takes less than a second.' },
  unsure: {
    title: 'We don’t know yet – still asking',
    text: 'Your purchase is kept. We repeat the same one, so you can’t buy twice by this.',
  },
  nextTry: (seconds) => `Next try in ${seconds} s`,
  limited: {
    title: 'Very busy right now',
    text: 'Nothing was bought yet. We try again for you in a moment – no need to press.',
  },
  limitedAgain: {
    title: 'Still very busy',
    text: 'Nothing was bought. You can try again as soon as the button is back.',
  },
  early: {
    title: 'A blink too early',
    text: 'The sale opens in a moment. Your purchase goes out right then.',
  },
  accepted: (quantity) => ({
    title: quantity === 1 ? 'It’s yours!' : `${quantity} are yours!`,
    text: 'Your order is accepted and safe. It is being entered in the books.',
  }),
  confirmed: (quantity) => ({
    title: quantity === 1 ? 'It’s yours!' : `${quantity} are yours!`,
    text: 'Your order is confirmed.',
  }),
  orderUndone: {
    title: 'Your order was undone',
    text: 'It was accepted first but has been cancelled since. Nothing is owed.',
  },
  orderNumber: 'Order',
  stopped: {
    title: 'This purchase has no answer',
    text: 'It may have been accepted: see your orders. Asking again can’t buy it twice.',
  },
  purchaseSignedOut: {
    title: 'Your sign-in has ended',
    text: 'Your purchase is kept. Open your sign-in link again and we go on with the same one.',
  },
  purchaseSignInAgain: {
    title: 'Your sign-in has ended',
    text: 'Your purchase is kept. Sign in again and we go on with the same one.',
  },
  refused: {
    limit_reached: (limit) => ({
      title: 'You have your share',
      text: `This sale gives at most ${limit} to each person. Your orders are below.`,
    }),
    sold_out: {
      title: 'Sold out',
      text: 'All were gone before your turn came. Nothing was charged.',
    },
    fewerLeft: (left) => ({
      title: left === 1 ? 'Only one is left' : `Only ${left} are left`,
      text: 'We have set the quantity to that. Press buy again to take it.',
    }),
    not_open: (when) => ({
      title: 'Not open yet',
      text:
        when === undefined
          ? 'The button comes alive by itself when the sale opens.'
          : `The sale opens ${when}. The button comes alive by itself.`,
    }),
    ended: { title: 'The sale has ended', text: 'Nothing was bought. See the other sales.' },
    paused: {
      title: 'The sale is paused',
      text: 'Nothing was bought. The button is back as soon as it goes on.',
    },
    key_reused: {
      title: 'Bought already, in another quantity',
      text: 'Your first purchase counts: see your orders. Pressing again would buy more.',
    },
    unknown_product: {
      title: 'This sale is gone',
      text: 'It was taken off the shop. Nothing was bought.',
    },
    forbidden: {
      title: 'You may not buy here',
      text: 'Your sign-in is not valid for this shop. Sign in as yourself.',
    },
    other: {
      title: 'That did not work',
      text: 'Nothing was bought. Reload the page and try again.',
    },
  },

  myOrders: 'My orders',
  noOrders: 'Nothing bought yet.',
  ordersSignedOut: 'Sign in to see your orders.',
  orderStatus: {
    pending: 'Being decided',
    accepted: 'Accepted',
    confirmed: 'Confirmed',
    cancelled: 'Cancelled',
    rejected: 'Rejected',
  },
  pieces: (quantity) => (quantity === 1 ? '1 piece' : `${quantity} pieces`),

  leaderboard: 'Leaderboard',
  boards: { speed: 'Fastest', quantity: 'Most', score: 'Overall' },
  boardHints: {
    speed: 'Who bought first',
    quantity: 'Who bought most',
    score: 'More pieces first, then the earlier',
  },
  boardEmpty: 'Nobody has bought yet. The first place is free.',
  rank: 'Place',
  buyer: 'Buyer',
  you: 'You',
  ownPlace: (rank) => `You are number ${rank}`,
  afterOpening: (seconds) => `+${seconds} s`,

  hotProducts: 'Selling fastest',
  sold: (units) => `${units} sold`,
};
