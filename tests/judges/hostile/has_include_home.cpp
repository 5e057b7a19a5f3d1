// expect: correct
// Asks at compile time, in three spellings, whether a file of the user's is there.
#include <cstdio>
#define GLUE(a, b) a##b
#if __has_include("@HOME@/precious.txt") || __has_include(<../../../../../../../../@HOME@/precious.txt>)
#error visible
#elif GLUE(__has_, include)("@HOME@/../home/precious.txt")
#error visible
#endif
int main() { printf("5"); }
