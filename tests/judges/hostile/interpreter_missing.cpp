// expect: runtime_error
// The kernel refuses to execute it: the name of its loader does not end.
asm(".section .interp, \"a\"\n.ascii \"/no/loader\"\n.previous\n");
int main() { return 0; }
