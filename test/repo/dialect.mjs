// The project's dialect, as lint rules that oxlint does not have itself.

/** Is this expression a number or a text, or arithmetic of such? */
function isPrimitive(node) {
  switch (node?.type) {
    case 'Literal':
      return !('regex' in node) && node.value !== null
    case 'TemplateLiteral':
      return node.expressions.length === 0
    case 'UnaryExpression':
      return isPrimitive(node.argument)
    case 'BinaryExpression':
      return [node.left, node.right].every((side) => isPrimitive(side) || isScreaming(side.name))
    default:
      return false
  }
}

function isScreaming(name) {
  return typeof name === 'string' && /^[A-Z][A-Z0-9_]*$/.test(name)
}

/** Object, list, function, instance or pattern: certainly not a tuning value. */
function isComposite(node) {
  const composite = [
    'ObjectExpression',
    'ArrayExpression',
    'NewExpression',
    'ArrowFunctionExpression',
    'ClassExpression',
  ]
  return composite.includes(node?.type) || (node?.type === 'Literal' && 'regex' in node)
}

/** Constants at the top level of a module, exported or not. */
function* moduleConstants(program) {
  for (const statement of program.body) {
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declaration?.type !== 'VariableDeclaration' || declaration.kind !== 'const') continue
    for (const declarator of declaration.declarations) if (declarator.id.type === 'Identifier') yield declarator
  }
}

const topLevelFunction = {
  create(context) {
    return {
      Program(program) {
        for (const { id, init } of moduleConstants(program)) {
          // A type annotation on the constant may be the only way to state the contract of the function.
          if (init?.type === 'ArrowFunctionExpression' && !id.typeAnnotation)
            context.report({ node: id, message: `Declare \`${id.name}\` as \`function ${id.name}(…)\`.` })
        }
      },
    }
  },
}

const constantName = {
  create(context) {
    const isTest = /[/\\]test[/\\]/.test(context.filename)
    return {
      Program(program) {
        for (const { id, init } of moduleConstants(program)) {
          const isNumber = isPrimitive(init) && typeof init.value !== 'string' && init.type !== 'TemplateLiteral'
          if ((isNumber || (isPrimitive(init) && !isTest)) && !isScreaming(id.name))
            context.report({ node: id, message: `Name the primitive constant \`${id.name}\` in SCREAMING_SNAKE_CASE.` })
          else if (isComposite(init) && isScreaming(id.name) && id.name.length > 1)
            context.report({ node: id, message: `Name \`${id.name}\` in camelCase: it is no primitive constant.` })
        }
      },
    }
  },
}

const zodImport = {
  create(context) {
    return {
      ImportDeclaration(node) {
        if (node.source.value !== 'zod' || node.importKind === 'type') return
        if (node.specifiers.some(({ type }) => type !== 'ImportNamespaceSpecifier'))
          context.report({ node, message: "Import zod as `import * as z from 'zod'`." })
      },
    }
  },
}

export default {
  meta: { name: 'dialect' },
  rules: { 'top-level-function': topLevelFunction, 'constant-name': constantName, 'zod-import': zodImport },
}
