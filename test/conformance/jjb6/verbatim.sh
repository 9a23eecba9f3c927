echo {who} {{kept}} ${x}
