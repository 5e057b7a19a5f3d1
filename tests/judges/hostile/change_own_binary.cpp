// expect: runtime_error
#include <cstdio>
#include <sys/stat.h>
#include <unistd.h>
int main() { return unlink("program") && chmod("program", 0) && rename("program", "x") ? 11 : 0; }
