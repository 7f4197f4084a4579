// The time that an activity may take: counts down while the activity can be seen, and says when it is over.
// @ts-check

const WARN_SECONDS = 60;

/** @param {number} seconds */
const shown = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/**
 * @param {{ isVisible: () => boolean, show: (left: string) => void, warn: () => void, over: (limit: any) => void }} on
 *   `show` gets what is left as minutes and seconds, or nothing where there is no limit
 */
export function createClock({ isVisible, show, warn, over }) {
  /** @type {any} */
  let timer;
  const stop = () => {
    clearInterval(timer);
    show("");
  };

  return {
    stop,
    /** @param {{ seconds_left: number, exits: boolean, tells: boolean } | null} limit */
    start(limit) {
      stop();
      if (!limit) return;
      let left = limit.seconds_left;
      let before = performance.now();
      const tick = () => {
        const now = performance.now();
        if (isVisible()) {
          const isEarly = left > WARN_SECONDS;
          left -= (now - before) / 1000;
          if (isEarly && left <= WARN_SECONDS) warn();
        }
        before = now;
        show(shown(Math.max(0, left)));
        if (left > 0) return;
        stop();
        over(limit);
      };
      timer = setInterval(tick, 1000);
      tick();
    },
  };
}
