// expect: runtime_error
#include <unistd.h>
int main() { int pid = fork(); if (pid < 0) return 21; if (pid) return 0; setsid(); for (;;) pause(); }
