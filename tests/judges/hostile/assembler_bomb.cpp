// expect: compile_error
asm(".rept 30000\n.rept 30000\n.byte 1\n.endr\n.endr\n");
int main() {}
