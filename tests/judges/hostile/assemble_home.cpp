// expect: compile_error
#include <cstdio>
asm(".globl secret\nsecret: .incbin \"@HOME@/precious.txt\"\n");
extern char secret[];
int main() { printf("%s", secret); }
