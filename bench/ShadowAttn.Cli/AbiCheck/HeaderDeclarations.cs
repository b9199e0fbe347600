namespace ShadowAttn.Cli.AbiCheck;

/// <summary>
/// What headers declare: structs and unions with the names of their fields, enums with those of their constants, other types. Names only; what
/// they amount to says the compiler. Reads the plain C that headers of interfaces are written in.
/// </summary>
internal sealed class HeaderDeclarations
{
    private readonly Dictionary<string, string> _tags = [];

    private HeaderDeclarations()
    {
    }

    /// <summary>Fields of structs and unions by type name, in order; those of anonymous members stand beside the others.</summary>
    public Dictionary<string, IReadOnlyList<string>> Structs { get; } = [];

    /// <summary>Constants of enums by type name, in order.</summary>
    public Dictionary<string, IReadOnlyList<string>> Enums { get; } = [];

    /// <summary>Declarations of other types by name, as text.</summary>
    public Dictionary<string, string> Typedefs { get; } = [];

    /// <summary>Reads preprocessed C.</summary>
    public static HeaderDeclarations Read(string preprocessed)
    {
        var declarations = new HeaderDeclarations();
        List<string> tokens = CTokens.Read(preprocessed);
        int start = 0;
        while (start < tokens.Count)
        {
            int end = EndOfDeclaration(tokens, start);
            declarations.Add(tokens.GetRange(start, end - start));
            start = end + 1;
        }

        declarations.ResolveTags();
        return declarations;
    }

    /// <summary>Index of the semicolon that ends a declaration, or of the brace that ends a function.</summary>
    private static int EndOfDeclaration(List<string> tokens, int start)
    {
        int depth = 0;
        bool isFunction = false;
        for (int i = start; i < tokens.Count; i++)
        {
            switch (tokens[i])
            {
                case "{":
                    isFunction |= depth == 0 && i > start && tokens[i - 1] == ")" && tokens[start] != "typedef";
                    depth++;
                    break;
                case "(" or "[":
                    depth++;
                    break;
                case ")" or "]":
                    depth--;
                    break;
                case "}":
                    depth--;
                    if (depth == 0 && isFunction)
                    {
                        return i;
                    }

                    break;
                case ";" when depth == 0:
                    return i;
            }
        }

        return tokens.Count;
    }

    private static int Matching(List<string> tokens, int open)
    {
        int depth = 0;
        for (int i = open; i < tokens.Count; i++)
        {
            depth += tokens[i] is "{" or "(" or "[" ? 1 : tokens[i] is "}" or ")" or "]" ? -1 : 0;
            if (depth == 0)
            {
                return i;
            }
        }

        return tokens.Count;
    }

    /// <summary>Parts between separators outside of all brackets; empty parts are left out.</summary>
    private static IEnumerable<List<string>> Split(List<string> tokens, string separator)
    {
        int depth = 0;
        int start = 0;
        for (int i = 0; i <= tokens.Count; i++)
        {
            if (i == tokens.Count || (depth == 0 && tokens[i] == separator))
            {
                if (i > start)
                {
                    yield return tokens.GetRange(start, i - start);
                }

                start = i + 1;
            }
            else
            {
                depth += tokens[i] is "{" or "(" or "[" ? 1 : tokens[i] is "}" or ")" or "]" ? -1 : 0;
            }
        }
    }

    /// <summary>The name that a declarator declares: <c>name</c>, <c>*name</c>, <c>name[3]</c>, <c>(*name)(…)</c>; null when there is none.</summary>
    private static string? DeclaredName(List<string> declarator)
    {
        for (int i = 0; i + 2 < declarator.Count; i++)
        {
            if (declarator[i] == "(" && declarator[i + 1] == "*" && CTokens.IsName(declarator[i + 2]))
            {
                return declarator[i + 2];
            }
        }

        int end = declarator.FindIndex(t => t is "[" or "(" or ":" or "=");
        return declarator.Take(end < 0 ? declarator.Count : end).LastOrDefault(CTokens.IsName);
    }

    /// <summary>Index of the keyword and of the brace of a struct, union or enum with a body; false when there is none.</summary>
    private static bool TryFindBody(List<string> tokens, out int keyword, out int brace)
    {
        brace = -1;
        keyword = tokens.FindIndex(t => t is "struct" or "union" or "enum" or "(" or "=");
        if (keyword < 0 || tokens[keyword] is "(" or "=")
        {
            return false;
        }

        brace = tokens.IndexOf("{", keyword);
        int declarator = tokens.FindIndex(keyword, t => t is "*" or ";" or "=");
        return brace > 0 && (declarator < 0 || brace < declarator);
    }

    private static List<string> Fields(List<string> body)
    {
        var names = new List<string>();
        foreach (List<string> declaration in Split(body, ";"))
        {
            List<string> declarators = declaration;
            if (TryFindBody(declaration, out _, out int brace))
            {
                int end = Matching(declaration, brace);
                declarators = declaration.GetRange(end + 1, declaration.Count - end - 1);
                if (declarators.Count == 0)
                {
                    names.AddRange(Fields(declaration.GetRange(brace + 1, end - brace - 1)));
                    continue;
                }
            }

            names.AddRange(Split(declarators, ",").Select(DeclaredName).OfType<string>());
        }

        return names;
    }

    private void Add(List<string> declaration)
    {
        bool isTypedef = declaration is ["typedef", ..];
        if (TryFindBody(declaration, out int keyword, out int brace))
        {
            int end = Matching(declaration, brace);
            List<string> body = declaration.GetRange(brace + 1, end - brace - 1);
            List<string> names = [.. Split(declaration.GetRange(end + 1, declaration.Count - end - 1), ",").Where(d => d is [_]).Select(d => d[0])];
            string? tag = brace > keyword + 1 && CTokens.IsName(declaration[brace - 1]) ? declaration[brace - 1] : null;
            if (tag is not null)
            {
                names.Add(Tag(declaration[keyword], tag));
            }

            foreach (string name in names)
            {
                if (declaration[keyword] == "enum")
                {
                    Enums[name] = [.. Split(body, ",").Select(c => c[0])];
                }
                else
                {
                    Structs[name] = Fields(body);
                }
            }
        }
        else if (isTypedef && DeclaredName(declaration) is { } name)
        {
            Typedefs[name] = string.Join(' ', declaration.Skip(1)).Replace(" ,", ",", StringComparison.Ordinal);
            if (declaration is ["typedef", "struct" or "union" or "enum", string tag, string only] && only == name)
            {
                _tags[name] = Tag(declaration[1], tag);
            }
        }
    }

    private void ResolveTags()
    {
        foreach ((string name, string tag) in _tags)
        {
            if (Structs.TryGetValue(tag, out IReadOnlyList<string>? fields))
            {
                Structs[name] = fields;
            }
            else if (Enums.TryGetValue(tag, out IReadOnlyList<string>? constants))
            {
                Enums[name] = constants;
            }
        }
    }

    private static string Tag(string keyword, string tag) => $"{keyword} {tag}";
}
