// Every sentence of the player, in one place.
// @ts-check

/** @param {number} count */
const changes = (count) => (count === 1 ? "1 change" : `${count} changes`);

export const text = {
  opening: "Opening the course…",
  next: "Loading the next part…",
  now: (title) => `Now showing: ${title}`,
  saved: "All changes saved",
  saving: "Saving…",
  waiting: (count) => `Offline: ${changes(count)} waiting on this device`,
  fragile: "This browser keeps nothing: do not close the page before all changes are saved.",
  offline: "No connection. Your work is kept on this device; this page goes on as soon as the connection is back.",
  stillOffline: "No connection, so the next part cannot be loaded yet. You can go on here; your work is kept on this device.",
  stale: "This course was opened in another window. That window is the one that counts now; nothing more is saved here.",
  staleTitle: "Opened in another window",
  here: "Continue here",
  refused: (why) => `The server could not take a change: ${why}`,
  failed: "The course could not be opened",
  again: "Try again",
  goTo: (title) => `Go to “${title}”`,
  unknown: "Something went wrong. Try again; if it stays so, tell the people who run this course.",
  left: (time) => `${time} left`,
  lastMinute: "One minute is left for this part.",
  timeOver: "The time for this part is over. You can go on.",
  finished: "This part is finished. Choose where to go next.",
  idle: "Choose a part from the table of contents.",
  idleTitle: "Ready when you are",
  popup: "The course opens in a window of its own.",
  popupTitle: "Open the course window",
  popupOpen: "Open the window",
  popupRuns: "The course is open in another window. Keep this page open meanwhile.",
  show: "Show the window",
  suspended: "Saved. You can go on later where you left.",
  ended: "You have left the course",
  well: "Well done!",
  close: "You can close this page now.",
  redirect: (seconds) => `Going on by itself in ${seconds} s.`,
  stay: "Stay on this page",
  back: "Return to my courses",
  score: "Score",
  progress: "Progress",
  time: "Time",
  /** @param {number} seconds */
  duration(seconds) {
    const minutes = Math.round(seconds / 60);
    if (minutes < 1) return "less than a minute";
    return [minutes >= 60 && `${Math.floor(minutes / 60)} h`, minutes % 60 && `${minutes % 60} min`].filter(Boolean).join(" ");
  },
  status: "Status",
  review: "Review: you can look at everything; nothing is recorded.",
  browse: "Browsing: look around; nothing is recorded.",
  preview: "Preview: works as for a learner, counts for nobody.",
  contents: "Contents",
  states: { completed: "completed", passed: "passed", failed: "failed", incomplete: "in progress" },
};
