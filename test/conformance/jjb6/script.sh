echo {who} {{kept}}
