// expect: runtime_error
#include <cstdio>
int main() { fprintf(stderr, "\033]0;a title\007\033]52;c;YQ==\007\033[2J\u202e\x9b"); return 1; }
