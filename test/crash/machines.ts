/** Machines that builds of a crash site run on instead of this one, and what they have to say against Stackgate. */
export interface Machines extends AsyncDisposable {
  readonly label: string;
  /** Text of nodepool.yaml. */
  readonly nodepool: string;
  /** Further lines of the site file. */
  readonly lines: readonly string[];
  /** Name of the scp site that copies of consoles go to, and where they arrive: `<uuid>/console.txt` */
  readonly copies?: { readonly site: string; readonly folder: string };
  /** Folders of workspaces that this machine can look into. */
  readonly roots: readonly string[];
  /** A word for the shell of a job: how it says `what N,P` and `end` to the judge. Left out: it writes into the folder of marks. */
  readonly tell?: string;
  /** What was found where nothing may be: the rest of another build, or another build. */
  soiled(): readonly string[];
  /** What is still there although nobody wants it. */
  left(): Promise<readonly string[]>;
}
