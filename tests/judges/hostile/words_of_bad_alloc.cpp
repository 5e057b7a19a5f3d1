// expect: runtime_error
#include <cstdio>
#include <cstdlib>
int main() { fputs("terminate called after throwing an instance of 'std::bad_alloc'\n", stderr); abort(); }
