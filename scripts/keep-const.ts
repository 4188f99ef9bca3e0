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
    else if (ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.BlockScoped) === 0)
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

/** A bundle whose variables of the module, where nothing changes them, are constants. */
export const withConstants = (code: string): string => {
  const file = ts.createSourceFile('bundle.js', code, ts.ScriptTarget.ES2022, false, ts.ScriptKind.JS);
  const changing = changingNames(file);
  const isConstant = ({ name, initializer }: ts.VariableDeclaration): boolean =>
    ts.isIdentifier(name) &&
    initializer !== undefined &&
    !changing.has(name.text) &&
    !readsItself(name.text, initializer);
  const parts: string[] = [];
  let from = 0;
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    const { declarationList } = statement;
    if ((declarationList.flags & ts.NodeFlags.BlockScoped) !== 0) continue;
    if (!declarationList.declarations.every(isConstant)) continue;
    const at = declarationList.getStart(file);
    parts.push(code.slice(from, at), 'const');
    from = at + 'var'.length;
  }
  return parts.join('') + code.slice(from);
};

/**
 * Gives the constants of the sources back to a bundle: esbuild writes them as `var`, and V8 takes a variable for a constant only when it is
 * declared as one. Without it a VM exit with the VM entry after it takes a third longer.
 */
export const keepConst: Plugin = {
  name: 'keep-const',
  renderChunk: (code, { type }) => (type === 'chunk' ? { code: withConstants(code) } : undefined),
};
