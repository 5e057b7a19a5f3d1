// expect: memory_limit
#include <cstring>
int main() { for (;;) { char *p = new char[1 << 24]; memset(p, 1, 1 << 24); } }
