import type { Options } from 'tsup';
import ts from 'typescript';

type Plugin = NonNullable<Options['plugins']>[number];

/** Names in an assignment's target. */
const targetsOf = (target: ts.Expression, names: Set<string>): void => {
  if (ts.isIdentifier(target)) names.add(target.text);
  else if (ts.isObjectLiteralExpression(target) || ts.isArrayLiteralExpression(target)) {
    const inside = (node: ts.Node): void => {
      if (ts.isIdentifier(node)) names.add(node.text);
      ts.forEachChild(node, inside);
    };
    inside(target);
  }
};

const isVariable = (list: ts.VariableDeclarationList): boolean =>
  (list.flags & ts.NodeFlags.BlockScoped) === 0;

const isAssignment = (kind: ts.SyntaxKind): boolean =>
  kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;

/** Names that something in the file assigns to or declares a second time, whatever the scope. */
const changingNames = (file: ts.SourceFile): ReadonlySet<string> => {
  const changing = new Set<string>();
  const declared = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind)) targetsOf(node.left, changing);
    else if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
      if (node.operator === ts.SyntaxKind.PlusPlusToken || node.operator === ts.SyntaxKind.MinusMinusToken)
        targetsOf(node.operand, changing);
    } else if (
      (ts.isForInStatement(node) || ts.isForOfStatement(node)) &&
      !ts.isVariableDeclarationList(node.initializer)
    )
      targetsOf(node.initializer, changing);
    else if (ts.isVariableDeclarationList(node) && isVariable(node))
      for (const { name } of node.declarations) {
        if (!ts.isIdentifier(name)) continue;
        if (declared.has(name.text)) changing.add(name.text);
        declared.add(name.text);
      }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return changing;
};

/** Whether a value is computed from the variable that it is for: `var E = ((e) => e)(E || {})`. */
const readsItself = (name: string, value: ts.Expression): boolean => {
  const reads = (node: ts.Node): boolean => {
    if (ts.isFunctionLike(node)) return false;
    if (ts.isIdentifier(node) && node.text === name) return true;
    return ts.forEachChild(node, (child) => reads(child) || undefined) === true;
  };
  return reads(value);
};

/** New text for a part of the bundle. */
interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** `var` becomes `const` where nothing changes the variables. */
const declaration = (
  file: ts.SourceFile,
  { declarationList }: ts.VariableStatement,
  changing: ReadonlySet<string>,
): readonly Edit[] => {
  const isConstant = ({ name, initializer }: ts.VariableDeclaration): boolean =>
    ts.isIdentifier(name) &&
    initializer !== undefined &&
    !changing.has(name.text) &&
    !readsItself(name.text, initializer);
  if (!isVariable(declarationList) || !declarationList.declarations.every(isConstant)) return [];
  const from = declarationList.getStart(file);
  return [{ from, to: from + 'var'.length, text: 'const' }];
};

/** What comes from another chunk becomes a constant of this one. */
const fromChunk = (
  file: ts.SourceFile,
  { importClause, moduleSpecifier, end }: ts.ImportDeclaration,
): readonly Edit[] => {
  const names = importClause?.namedBindings;
  if (names === undefined || !ts.isNamedImports(names)) return [];
  if (!ts.isStringLiteral(moduleSpecifier) || !moduleSpecifier.text.startsWith('.')) return [];
  const taken = names.elements.map(
    ({ name, propertyName }) => `${(propertyName ?? name).text} as ${name.text}$in`,
  );
  const copies = names.elements.map(({ name }) => `${name.text} = ${name.text}$in`);
  return [
    { from: names.getStart(file), to: names.end, text: `{ ${taken.join(', ')} }` },
    { from: end, to: end, text: `\nconst ${copies.join(', ')};` },
  ];
};

/** What leaves the chunk leaves as another constant: V8 reads what is exported anew at every use, also in its own module. */
const exported = (
  file: ts.SourceFile,
  statement: ts.ExportDeclaration,
  isChanging: (name: string) => boolean,
): readonly Edit[] => {
  const { exportClause, moduleSpecifier } = statement;
  if (moduleSpecifier !== undefined || exportClause === undefined || !ts.isNamedExports(exportClause))
    return [];
  const pairs = exportClause.elements.map(({ name, propertyName }) => [
    (propertyName ?? name).text,
    name.text,
  ]);
  const changing = pairs.find(([local]) => isChanging(local));
  if (changing !== undefined)
    throw new Error(
      `keep-const: ${changing[0]} is exported and changes; other chunks would keep its first value`,
    );
  const locals = [...new Set(pairs.map(([local]) => local))];
  if (locals.length === 0) return [];
  const copies = locals.map((local) => `${local}$out = ${local}`);
  const given = pairs.map(([local, name]) => `${local}$out as ${name}`);
  return [
    {
      from: statement.getStart(file),
      to: statement.end,
      text: `const ${copies.join(', ')};\nexport { ${given.join(', ')} };`,
    },
  ];
};

/** Names of variables of the module that have no value where they are declared. */
const withoutValue = (file: ts.SourceFile): ReadonlySet<string> =>
  new Set(
    file.statements
      .filter(ts.isVariableStatement)
      .flatMap(({ declarationList }) => declarationList.declarations)
      .flatMap(({ name, initializer }) => (initializer === undefined ? [name.getText(file)] : [])),
  );

/** A chunk of a bundle with its constants declared as such. Throws when it exports a variable that changes. */
export const withConstants = (code: string): string => {
  const file = ts.createSourceFile('bundle.js', code, ts.ScriptTarget.ES2022, false, ts.ScriptKind.JS);
  const changing = changingNames(file);
  const empty = withoutValue(file);
  const edits = file.statements.flatMap((statement): readonly Edit[] => {
    if (ts.isVariableStatement(statement)) return declaration(file, statement, changing);
    if (ts.isImportDeclaration(statement)) return fromChunk(file, statement);
    if (ts.isExportDeclaration(statement))
      return exported(file, statement, (name) => changing.has(name) || empty.has(name));
    return [];
  });
  let done = 0;
  const parts: string[] = [];
  for (const { from, to, text } of edits) {
    parts.push(code.slice(done, from), text);
    done = to;
  }
  return parts.join('') + code.slice(done);
};

/**
 * Gives the constants of the sources back to a bundle: esbuild writes them as `var` and passes them from chunk to chunk as imports, and V8 takes
 * for a constant only what is declared as one in the module. Without it a VM exit with the VM entry after it takes a third longer.
 */
export const keepConst: Plugin = {
  name: 'keep-const',
  renderChunk: (code, { type }) => (type === 'chunk' ? { code: withConstants(code) } : undefined),
};
