import { answerOf, type Choice, type ChoiceSite, preferred, randomWord, seededWord } from '../core';

/** How often each site was asked since power-up; a site that was never asked is absent. */
export type Occurrences = Readonly<Partial<Record<ChoiceSite, number>>>;

/** What a machine under way asks a `Choice`, with the number of the occurrence. */
export class Decisions {
  choice: Choice = preferred;
  private occurrences: Partial<Record<ChoiceSite, number>> = {};

  load(occurrences: Occurrences): void {
    this.occurrences = { ...occurrences };
  }

  /** The counts as a value: `before` where nothing was asked since. */
  publish(before: Occurrences): Occurrences {
    const { occurrences } = this;
    for (const site of Object.keys(occurrences) as ChoiceSite[])
      if (before[site] !== occurrences[site]) return Object.freeze({ ...occurrences });
    return before;
  }

  private usual(site: ChoiceSite, occurrence: number, alternatives: bigint, value: bigint): bigint {
    switch (site) {
      case 'rdrand':
        return randomWord(occurrence) % (alternatives - 1n);
      case 'speculative-fill':
      case 'spurious-fault':
        return seededWord(value, occurrence) % alternatives;
      default:
        return value;
    }
  }

  decide(site: ChoiceSite, alternatives: bigint, value: bigint): bigint {
    const occurrence = this.occurrences[site] ?? 0;
    this.occurrences[site] = occurrence + 1;
    const usual = this.usual(site, occurrence, alternatives, value);
    if (this.choice === preferred) return usual;
    return answerOf(this.choice, { site, occurrence, alternatives, preferred: usual });
  }
}
